"""The compiled kernels against the plain torch implementation."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, kernels
from epropnp_det.pnp.kernels.cpu.library import library
from epropnp_det.pnp.space import PoseSpace
from tests.pnp import scenes
from tests.pnp.scenes import SPACES, seeded, uniform
from tests.tolerances import NATIVE, NATIVE_FLOAT32

pytestmark = pytest.mark.skipif(library() is None, reason="the compiled kernels were not built")

ROBUST = pytest.mark.parametrize("robust", ["huber", "none"])


@pytest.fixture(autouse=True)
def all_kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test says itself which implementation it asks."""
    monkeypatch.setattr(kernels, "_only", [])


def hard(space: type[PoseSpace], robust: str = "huber", corner: bool = False) -> tuple[PnPProblem, Tensor]:
    """Outliers, projections outside the limits and points nearer than the near plane; poses (37, 5, D)."""
    problem, pose = scenes.problem((5,), number=41, noise=20.0, space=space)
    pose = space.retract(pose, uniform((37, 5, space.tangent_dim), -1.0, 1.0, seeded(5)))
    pose[2, :, 0] += 15.0
    pose[3, :, 2] = 0.4
    camera = problem.camera.crop(300.0, -200.0) if corner else problem.camera
    return PnPProblem.adaptive(problem.points, camera, robust=robust), pose


def of_inputs(problem: PnPProblem, dtype: torch.dtype = torch.float64) -> tuple[PnPProblem, list[Tensor]]:
    """The problem again, and its points and threshold as leaves."""
    points = problem.points
    leaves = [value.detach().to(dtype).requires_grad_() for value in (points.x3d, points.x2d, points.w2d, problem.delta)]
    camera = problem.camera.to(dtype)
    return PnPProblem(Correspondences(*leaves[:3], points.mask), camera, leaves[3], problem.robust), leaves


def costs_and_gradients(name: str, problem: PnPProblem, pose: Tensor, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Costs, and the gradients of their sum with the weights 0, 1, 2, ... in x3d, x2d, w2d and delta."""
    again, leaves = of_inputs(problem, dtype)
    with kernels.only(name):
        cost = again.cost(pose.to(dtype))
    weight = torch.arange(len(pose), dtype=dtype).reshape(-1, *(1,) * (cost.ndim - 1))
    return [cost.detach(), *torch.autograd.grad((weight * cost).sum(), leaves, materialize_grads=True)]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Relative to the largest number of each tensor."""
    for first, second in zip(actual, expected):
        second = second.to(torch.float64)
        torch.testing.assert_close(first.to(torch.float64), second, rtol=0, atol=tolerance * max(float(second.abs().max()), 1.0))


# --- cost ---


@ROBUST
@pytest.mark.parametrize("corner", [False, True], ids=["whole", "cropped"])
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, NATIVE), (torch.float32, NATIVE_FLOAT32)], ids=["float64", "float32"])
@SPACES
def test_cost_and_its_gradients_are_those_of_float64_autograd(
    space: type[PoseSpace], dtype: torch.dtype, tolerance: float, corner: bool, robust: str
) -> None:
    problem, pose = hard(space, robust, corner)
    # The same numbers for both: what is measured is rounding inside the kernels, not that of their inputs.
    problem, pose = problem.to(dtype).to(torch.float64), pose.to(dtype).to(torch.float64)
    expected = costs_and_gradients("eager", problem, pose)
    assert all((gradient != 0).any() for gradient in expected[1 : 5 if robust == "huber" else 4])
    assert_close(costs_and_gradients("native", problem, pose, dtype), expected, tolerance)


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 33])
def test_any_number_of_points_and_samples(number: int) -> None:
    problem, pose = scenes.problem((2, 3), number=number)
    pose = pose + uniform((number, 2, 3, 4), -0.3, 0.3, seeded(1))
    problem = replace(problem, delta=torch.ones(2, 3, dtype=torch.float64))
    assert_close(costs_and_gradients("native", problem, pose), costs_and_gradients("eager", problem, pose), NATIVE)


def test_masked_points_and_cameras_of_their_own() -> None:
    problem, pose = scenes.problem((3,), number=20)
    mask = torch.arange(20) < torch.tensor([[20], [7], [0]])
    cameras = Camera.stack([scenes.camera(), scenes.camera().crop(10.0, 20.0), scenes.camera().scale(0.5, 0.4)])
    problem = PnPProblem(replace(problem.points, mask=mask), cameras, problem.delta + 0.1)
    assert_close(costs_and_gradients("native", problem, pose[None]), costs_and_gradients("eager", problem, pose[None]), NATIVE)


@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
@SPACES
def test_numbers_that_are_not_finite_stay_so(space: type[PoseSpace], junk: float) -> None:
    problem, pose = scenes.problem((2,), space=space)
    pose[0, 3] = junk
    for name in ("eager", "native"):
        with kernels.only(name):
            # Below `PnPProblem.cost`, which takes out what is no pose.
            assert kernels.choose("cost", problem).cost(problem, pose[None]).isnan().tolist() == [[True, False]], name


def test_samples_of_no_weight_are_left_out() -> None:
    problem, pose = hard(scenes.YawPose)
    again, leaves = of_inputs(problem)
    weight = (torch.arange(37) % 5 == 0).double()[:, None]
    some = torch.autograd.grad((weight * again.cost(pose)).sum(), leaves)
    again, leaves = of_inputs(problem)
    assert_close(list(some), list(torch.autograd.grad(again.cost(pose[::5]).sum(), leaves)), NATIVE)
    again, leaves = of_inputs(problem)
    none = torch.autograd.grad((0 * again.cost(pose)).sum(), leaves)
    assert all((gradient == 0).all() for gradient in none)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    problem, pose = hard(scenes.YawPose)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(costs_and_gradients("native", problem, pose))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(first, second) for first, second in zip(*results))


# --- what is not covered ---


def test_what_is_not_covered_goes_to_plain_torch() -> None:
    problem, _ = scenes.problem((2,))
    assert kernels.choose("cost", problem).name == "native"
    camera = replace(problem.camera, matrix=problem.camera.matrix.clone().requires_grad_())
    for other in (replace(problem, robust="cauchy"), replace(problem, camera=camera), problem.to("meta")):
        assert kernels.choose("cost", other).name == "eager"


def test_gradients_in_poses_are_those_of_plain_torch() -> None:
    problem, pose = scenes.problem((2,))
    pose.requires_grad_()
    assert (torch.autograd.grad(problem.cost(pose + 0.1).sum(), pose)[0] != 0).all()


def test_second_derivatives_are_those_of_plain_torch() -> None:
    problem, pose = hard(scenes.YawPose)
    found = []
    for name in ("eager", "native"):
        again, leaves = of_inputs(problem)
        with kernels.only(name):
            cost = again.cost(pose)
        first = torch.autograd.grad(cost.sum(), leaves, create_graph=True)
        found.append(list(torch.autograd.grad(sum(gradient.square().sum() for gradient in first), leaves)))
    assert_close(*found, NATIVE)


SCRIPT = """
import importlib.util, warnings
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if "kernels.cpu._" in name else real(name, *rest)
import torch
from tests.pnp import scenes
from epropnp_det.pnp import kernels
problem, pose = scenes.problem((2,))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    problem.cost(pose), problem.cost(pose)
assert [str(one.message) for one in told if "plain torch" in str(one.message)][0].count("g++") == 1 and len(told) == 1, told
assert kernels.choose("cost", problem).name == "eager"
"""


def test_without_the_compiled_kernels_plain_torch_runs_and_says_so_once() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
