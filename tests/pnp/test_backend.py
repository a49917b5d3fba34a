"""Which backend computes, and what happens where none can."""

from __future__ import annotations

import ctypes
import inspect
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from epropnp_det.pnp import kernels, ops
from epropnp_det.pnp.ops import operators
from epropnp_det.pnp.ops.cpu import library
from epropnp_det.pnp.spaces.base import PoseSpace

from . import scenes
from .against_torch import of_inputs
from .scenes import SPACES, seeded

BUILT = pytest.mark.skipif(not library.BUILT, reason="the compiled kernels were not built")


@pytest.fixture(autouse=True)
def all_backends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test chooses its own backend."""
    monkeypatch.setattr(ops.backend, "_chosen", [])


class Operations(TorchDispatchMode):
    """Names of the operations that torch runs."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))

    def count(self, name: str) -> int:
        return self.names.count(f"epropnp_det.{name}.default")


@BUILT
@SPACES
def test_each_call_of_the_layer_is_one_operator(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    with Operations() as seen, torch.autocast("cpu", dtype=torch.bfloat16):
        scenes.layer(space, mc_samples=8)(problem, pose, seeded(0))
        problem.cost(pose.expand(2, 5, 3, space.dim))
    assert [seen.count(name) for name in ("estimate", "posterior", "cost")] == [1, 1, 1]
    # Before 2.7, torch ran a few more.
    assert len(seen.names) < (40 if torch.__version__ >= "2.7" else 45)


@BUILT
def test_a_backend_can_be_chosen() -> None:
    problem, pose = scenes.problem((3,))
    with Operations() as seen, ops.use_backend("torch"):
        problem.cost(pose)
        with ops.use_backend("cpp"):
            problem.linearize(pose)
    assert (seen.count("cost"), seen.count("linearize")) == (0, 1)
    with Operations() as seen:
        problem.cost(pose)
    assert seen.count("cost") == 1


def test_a_backend_that_is_not_installed_is_named_with_the_remedy() -> None:
    assert ops.available()[0] == "torch"
    with pytest.raises(ValueError, match=r"no backend 'fast' is installed; use one of 'torch'"):
        with ops.use_backend("fast"):
            pass


@BUILT
def test_the_former_names_still_choose_with_one_warning() -> None:
    problem, pose = scenes.problem((3,))
    for former, expected in (("eager", 0), ("native", 1)):
        with pytest.warns(DeprecationWarning, match="use_backend") as warned:
            context = kernels.only(former)
        with context, Operations() as seen:
            problem.cost(pose)
        assert len(warned) == 1 and seen.count("cost") == expected


@BUILT
@SPACES
def test_operators_keep_what_they_promise_to_torch(space: type[PoseSpace]) -> None:
    """Shapes without values are those computed, no input is changed, and the derivative is
    registered as it should be.
    """
    problem, pose = scenes.problem((2,), number=5, space=space)
    again, _ = of_inputs(problem)
    given, constant, start = again.tensors, problem.tensors, pose[None]
    check = torch.library.opcheck
    with torch.no_grad():
        at = [value.contiguous() for value in operators.linearize(*constant, start, True)]
        step = operators.newton_step(*constant, start, 1e-3)
    threshold = (given.x2d, given.w2d, given.mask, 0.5)
    check(operators.threshold, threshold)
    check(operators.threshold_gradient, (constant.x2d, constant.w2d, None, 0.5, constant.delta))
    check(operators.cost, (*given, start))
    check(operators.cost_gradient, (*constant, start, start[..., 0].contiguous()))
    check(operators.linearize, (*given, start, True))
    check(operators.linearize_gradient, (*constant, start, True, *at))
    check(operators.newton_step, (*given, start, 1e-3))
    check(operators.newton_step_gradient, (*constant, start, 1e-3, step))
    plan = (4, 5, 1, False, 2, 3, 0.4)
    check(operators.estimate, (*constant, torch.tensor(3), pose, space.dim, *plan))
    valid = torch.ones(2, dtype=torch.bool)
    check(operators.posterior, (*given, torch.tensor(3), pose, valid, 0.25, 8, 2))


@BUILT
def test_operands_on_another_device_are_refused() -> None:
    problem, pose = scenes.problem((3,))
    with pytest.raises(ValueError, match=r"the pose is on meta, but the points are on cpu"):
        problem.cost(pose.to("meta"))
    with pytest.raises(ValueError, match=r"several devices: x3d on cpu, camera on meta"):
        replace(problem, camera=problem.camera.to("meta"))
    with pytest.raises(ValueError, match=r"several devices: x3d on cpu, x2d on meta"):
        replace(problem.points, x2d=problem.points.x2d.to("meta"))


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor:UserWarning")
@BUILT
def test_no_pointer_of_a_tensor_without_numbers_is_passed_on() -> None:
    from torch._subclasses import FakeTensorMode

    with FakeTensorMode():
        fake = torch.empty(3, 4)
    for tensor in (fake, torch.empty(3, 4, device="meta"), torch.eye(3).to_sparse()):
        with pytest.raises(RuntimeError, match="compiled kernels"):
            library.pointer(tensor)
    with pytest.raises(RuntimeError, match="contiguous"):
        library.pointer(torch.zeros(3, 4).mT)

    def within_vmap(row: torch.Tensor) -> torch.Tensor:
        with pytest.raises(RuntimeError, match="doesn't have storage"):
            library.pointer(row)
        return row

    torch.func.vmap(within_vmap)(torch.zeros(3, 4))


def test_every_kernel_has_a_schema() -> None:
    kernels_of_cpu = dict(inspect.getmembers(ops.operators.cpu_kernels, inspect.isfunction))
    assert set(ops.operators.CPU_KERNELS) <= set(kernels_of_cpu)
    assert set(ops.operators.CPU_KERNELS) >= ops.backend.CPP
    assert set(ops.operators.TRITON_KERNELS) >= ops.backend.TRITON


def test_kernels_of_another_version_are_not_used(tmp_path: Path) -> None:
    """Structures of another size would be read beyond their end."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    sizes = (ctypes.sizeof(library.Objects), ctypes.sizeof(library.Plan))
    sources = {
        "same": "int size_of_objects() {{ return {}; }} int size_of_plan() {{ return {}; }}",
        "smaller": "int size_of_objects() {{ return {}; }} int size_of_plan() {{ return {} - 8; }}",
        "older": "int sound() {{ return 1; }}",
    }
    used = {}
    for name, body in sources.items():
        source = tmp_path / f"{name}.cpp"
        source.write_text(f'extern "C" {{ {body.format(*sizes)} }}')
        built = source.with_suffix(".so")
        subprocess.run([compiler, "-shared", "-fPIC", source, "-o", built], check=True)
        used[name] = library.load(str(built)) is not None
    assert used == {"same": True, "smaller": False, "older": False}
