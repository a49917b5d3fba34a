"""Inference as one graph: fixed iterations, no data-dependent branch, no copy to the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    RandomSampleInit,
    YawPose,
    gauss_newton_step,
    monte_carlo_pose_loss,
    ops,
)
from epropnp_det.pnp.ops import triton
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT_FLOAT32

from . import scenes
from .scenes import SPACES

TRITON = pytest.mark.skipif(
    not triton.INSTALLED or triton.INTERPRETED,
    reason="needs triton and a C compiler, and no interpreter",
)
FAKE_GPU = pytest.mark.skipif(
    torch.version.cuda is None or torch.__version__ < "2.7",
    reason="needs a torch that was built with CUDA and fakes GPU tensors without a driver",
)
IMPLEMENTATIONS = pytest.mark.parametrize(
    "implementation", ["torch", pytest.param("triton", marks=TRITON)]
)
# Little enough to trace in seconds, as every iteration is traced; and as much as it takes to
# converge.
SHORT = dict(mc_samples=32, amis_rounds=2, lm_iterations=1, init=RandomSampleInit(4, 6, 1))
WHOLE = dict(mc_samples=128)


class Inference(torch.nn.Module):
    """Correspondences in; pose, covariance, samples and their weights out."""

    def __init__(self, space: type[PoseSpace], settings: dict[str, object]) -> None:
        super().__init__()
        self.layer = scenes.layer(space, **settings)

    @torch.no_grad()
    def forward(
        self, x3d: Tensor, x2d: Tensor, w2d: Tensor, mask: Tensor, matrix: Tensor
    ) -> tuple[Tensor, ...]:
        limits = (
            torch.full_like(matrix[..., 0, :2], -200),
            torch.full_like(matrix[..., 0, :2], 1800),
        )
        problem = PnPProblem.adaptive(Correspondences(x3d, x2d, w2d, mask), Camera(matrix, *limits))
        estimate, samples = self.layer(problem)
        told = (
            estimate.valid,
            estimate.matrix(),
            samples.mean,
            samples.quantiles([0.5]),
            samples.effective_sample_size,
        )
        return estimate.pose, estimate.covariance, samples.pose, samples.log_weights, *told


def inputs(
    space: type[PoseSpace],
    device: str = "cpu",
    call: type = Inference,
    number: int = 5,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    problem, pose = scenes.problem((number,), dtype=torch.float32, space=space, seed=seed)
    points = problem.points
    mask = (torch.arange(24) < 20).expand(number, -1)
    values = (
        points.x3d,
        points.x2d,
        points.w2d,
        mask,
        scenes.camera(torch.float32).matrix.expand(number, 3, 3),
    )
    return tuple(
        value.contiguous().to(device)
        for value in ((*values, pose) if issubclass(call, Training) else values)
    )


class Training(torch.nn.Module):
    """Correspondences and the true pose in; the loss's gradient, and the estimate, out."""

    def __init__(self, space: type[PoseSpace], settings: dict[str, object]) -> None:
        super().__init__()
        self.layer = scenes.layer(space, **settings)

    def forward(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        *others: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, ...]:
        values = [value.detach().requires_grad_() for value in (x3d, x2d, w2d)]
        loss, pose = self.loss(*values, *others, generator)
        return *torch.autograd.grad(loss, values), pose

    def loss(
        self,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        mask: Tensor,
        matrix: Tensor,
        pose: Tensor,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        limits = (
            torch.full_like(matrix[..., 0, :2], -200),
            torch.full_like(matrix[..., 0, :2], 1800),
        )
        problem = PnPProblem.adaptive(Correspondences(x3d, x2d, w2d, mask), Camera(matrix, *limits))
        estimate, samples = self.layer(problem, pose, generator)
        loss = monte_carlo_pose_loss(samples, problem.cost(pose)) + gauss_newton_step(
            problem, estimate.pose
        ).sum(-1)
        return loss.sum(), estimate.pose


class Loss(Training):
    """The half of it that comes before the backward pass."""

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        return self.loss(*given)


CALLS = pytest.mark.parametrize("call", [Inference, Training])


@scenes.TRACES_CLASSES
@SPACES
def test_inference_compiles_to_a_single_graph(space: type[PoseSpace]) -> None:
    torch._dynamo.reset()
    inference, given = Inference(space, SHORT), inputs(space)
    # The compiler traces the plain implementation.
    with torch.no_grad(), torch.random.fork_rng(), ops.use_backend("torch"):
        torch.manual_seed(0)
        expected = inference(*given)
        torch.manual_seed(0)
        actual = torch.compile(inference, fullgraph=True, backend="eager")(*given)
    assert expected[4].all()
    for first, second in zip(expected, actual):
        assert torch.equal(first, second)


class Launches(TorchDispatchMode):
    """Names of the operations that ran, without those that only return a view of a tensor; refuses
    copies between devices.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        told = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.names.append(str(func))
        arrays = [
            value
            for value in tree_leaves((args, kwargs, told))
            if isinstance(value, Tensor) and value.ndim
        ]
        if len({value.device.type for value in arrays}) > 1:
            raise AssertionError(f"{func} of tensors on several devices copies between them")
        return told


def of_shapes_alone(
    call: type, space: type[PoseSpace], device: str, implementation: str
) -> tuple[tuple[Tensor, ...], list[str]]:
    """The results of a call, and the operations it runs, on tensors of shape, dtype and device
    alone: reading a value raises.
    """
    step, given = call(space, SHORT), inputs(space, call=call)
    with FakeTensorMode(), ops.use_backend(implementation):
        values = tuple(
            torch.empty(value.shape, dtype=value.dtype, device=device) for value in given
        )
        with Launches() as launches:
            told = step(*values)
    return told, launches.names


@FAKE_GPU
@pytest.mark.filterwarnings("ignore:User provided device_type of 'cuda', but CUDA is not available")
@IMPLEMENTATIONS
@pytest.mark.parametrize("call", [Inference, Loss])
@SPACES
def test_a_call_asks_a_gpu_for_no_value(
    space: type[PoseSpace], call: type, implementation: str
) -> None:
    told, _ = of_shapes_alone(call, space, "cuda", implementation)
    assert {value.device.type for value in told} == {"cuda"} and told[-1].shape[0] == 5


@IMPLEMENTATIONS
@SPACES
def test_the_backward_pass_asks_for_no_value(
    space: type[PoseSpace], implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU of shapes alone: for tensors on a GPU, autograd needs its driver."""
    monkeypatch.setitem(ops.backend.BACKENDS, "cpu", "triton")
    told, _ = of_shapes_alone(Training, space, "cpu", implementation)
    assert [value.shape for value in told] == [
        value.shape for value in (*inputs(space)[:3], torch.empty(5, space.dim))
    ]


@TRITON
@SPACES
def test_triton_takes_over_what_it_has_kernels_for(
    space: type[PoseSpace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training call with one solver step: fewer launches, and each kernel where it belongs."""
    monkeypatch.setitem(ops.backend.BACKENDS, "cpu", "triton")
    asked = {name: of_shapes_alone(Training, space, "cpu", name)[1] for name in ("torch", "triton")}
    assert len(asked["triton"]) < 0.8 * len(asked["torch"])
    counts = {
        name: asked["triton"].count(f"epropnp_det.{name}.default")
        for name in ("cost", "cost_gradient", "linearize", "solve")
    }
    # Costs: of the proposals of the start with the true pose, of the refined candidates where
    # there are several, of two rounds of samples and of the true pose. Solutions: of the
    # proposals, and of all points. Normal equations: at the solution, for its covariance; and for
    # the first proposal.
    costs = 4 if space.start_candidates == 1 else 5
    assert counts == {"cost": costs, "cost_gradient": 3, "linearize": 2, "solve": 2}


@CALLS
@SPACES
def test_operations_asked_for_do_not_depend_on_values(space: type[PoseSpace], call: type) -> None:
    step, given, asked = call(space, SHORT), inputs(space, call=call), []
    broken = [
        value * torch.tensor(0.0).reciprocal() if value.is_floating_point() else ~value
        for value in given
    ]
    for values in (given, inputs(space, call=call, seed=1), broken):
        with ops.use_backend("torch"), Launches() as launches:
            step(*values)
        asked.append(launches.names)
    assert len(asked[0]) > 1000 and asked[0] == asked[1] == asked[2]


MISTAKES: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "mask": lambda x: x[x > 0],
    "nonzero": torch.nonzero,
    "cpu": lambda x: x.cpu() + x,
    "constant": lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    "copied constant": lambda x: x * x.new_tensor([1.0, 2.0, 3.0]),
}


@FAKE_GPU
@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_raise_on_a_gpu_without_values(mistake: Callable[[Tensor], object]) -> None:
    with FakeTensorMode(), pytest.raises((RuntimeError, AssertionError), match=r"aten|same device"):
        value = torch.empty(3, device="cuda")
        with Launches():
            mistake(value)


@contextmanager
def no_waiting() -> Iterator[None]:
    """Raises where the host would wait for the GPU."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@IMPLEMENTATIONS
@CALLS
@SPACES
def test_a_call_never_makes_the_gpu_wait(
    space: type[PoseSpace], call: type, implementation: str
) -> None:
    step, given = call(space, WHOLE), inputs(space, "cuda", call)
    with ops.use_backend(implementation):
        step(*given)  # libraries are loaded and kernels compiled the first time
        with no_waiting():
            told = step(*given)
    assert all(value.isfinite().all() for value in told)


@pytest.mark.gpu
def test_a_generator_of_the_gpu_does_not_make_it_wait() -> None:
    step, given, generator = (
        Training(YawPose, WHOLE),
        inputs(YawPose, "cuda", Training),
        torch.Generator("cuda").manual_seed(0),
    )
    step(*given, generator=generator)
    with no_waiting():
        step(*given, generator=generator)


@pytest.mark.gpu
@IMPLEMENTATIONS
@CALLS
@SPACES
def test_a_call_replays_as_a_cuda_graph_on_other_data(
    space: type[PoseSpace], call: type, implementation: str
) -> None:
    step, given, others = (
        call(space, WHOLE),
        inputs(space, "cuda", call),
        inputs(space, "cuda", call, seed=1),
    )
    with ops.use_backend(implementation):
        expected = step(*others)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            step(*given)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            told = step(*given)
    for mine, theirs in zip(given, others):
        mine.copy_(theirs)
    graph.replay()
    # Other random numbers, the same solutions.
    where = 0 if call is Inference else 3
    torch.testing.assert_close(told[where], expected[where], rtol=1e-2, atol=1e-2)
    assert all(value.isfinite().all() for value in told)


@pytest.mark.gpu
@SPACES
def test_cost_and_normal_equations_are_those_of_the_cpu(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((5,), space=space)
    here, there = problem.linearize(pose), problem.to("cuda").linearize(pose.cuda())
    for name in ("cost", "gradient", "hessian"):
        expected = getattr(here, name)
        torch.testing.assert_close(
            getattr(there, name).cpu(),
            expected,
            rtol=EXACT_FLOAT32,
            atol=EXACT_FLOAT32 * float(expected.abs().max()),
        )
