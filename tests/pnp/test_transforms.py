"""The layer under what torch does to functions: torch.func, forward mode, batched backward passes,
second derivatives, tracing, fake tensors and other default devices.
"""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.func import grad, jacrev, jvp, vmap

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    RandomSampleInit,
    gauss_newton_step,
    implicit_pose,
    monte_carlo_pose_loss,
    ops,
)
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT

from . import scenes
from .scenes import SPACES

# From x3d, x2d, w2d and a pose to a tensor.
Function = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def build(x3d: Tensor, x2d: Tensor, w2d: Tensor) -> PnPProblem:
    return PnPProblem.adaptive(Correspondences(x3d, x2d, w2d), scenes.camera())


def functions(space: type[PoseSpace]) -> dict[str, Function]:
    layer = scenes.layer(space, mc_samples=8, amis_rounds=2, lm_iterations=2, init=None)

    def cost(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return build(x3d, x2d, w2d).cost(pose)

    def hessian(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return build(x3d, x2d, w2d).linearize(pose).hessian

    def step(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return gauss_newton_step(build(x3d, x2d, w2d), pose)

    def threshold(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return build(x3d, x2d, w2d).delta

    def solution(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        problem = build(x3d, x2d, w2d)
        return implicit_pose(problem, layer.solve(problem, pose))

    return dict(cost=cost, hessian=hessian, step=step, threshold=threshold, solution=solution)


def training_loss(
    space: type[PoseSpace], x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor
) -> Tensor:
    """With random start and samples."""
    init = RandomSampleInit(4, 6, 1)
    layer = scenes.layer(space, mc_samples=8, amis_rounds=2, lm_iterations=1, init=init)
    problem = build(x3d, x2d, w2d)
    _, samples = layer(problem, pose)
    return monte_carlo_pose_loss(samples, problem.cost(pose))


def arguments(space: type[PoseSpace]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    problem, pose = scenes.problem((2,), number=7, space=space)
    near = space.retract(pose, torch.full((2, space.tangent_dim), 0.02, dtype=torch.float64))
    return problem.points.x3d, problem.points.x2d, problem.points.w2d, near


def of_x2d(function: Function, given: tuple[Tensor, ...]) -> Callable[[Tensor], Tensor]:
    x3d, _, w2d, pose = given
    return lambda x2d: function(x3d, x2d, w2d, pose)


def batched_backward(function: Function, given: tuple[Tensor, ...]) -> Tensor:
    x2d = given[1].clone().requires_grad_()
    value = of_x2d(function, given)(x2d)
    every = torch.eye(value.numel(), dtype=value.dtype).reshape(-1, *value.shape)
    return torch.autograd.grad(value, x2d, every, is_grads_batched=True)[0]


def second_derivatives(function: Function, given: tuple[Tensor, ...]) -> Tensor:
    x2d = given[1].clone().requires_grad_()
    (first,) = torch.autograd.grad(of_x2d(function, given)(x2d).sum(), x2d, create_graph=True)
    return torch.autograd.grad(first.square().sum(), x2d)[0]


def forward_mode(function: Function, given: tuple[Tensor, ...]) -> Tensor:
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(given[1], torch.ones_like(given[1]))
        return forward_ad.unpack_dual(of_x2d(function, given)(dual)).tangent


def traced(function: Function, given: tuple[Tensor, ...]) -> Tensor:
    return torch.jit.trace(function, given, check_trace=False)(*given)


TRANSFORMS: dict[str, Callable[[Function, tuple[Tensor, ...]], Tensor]] = {
    "vmap": lambda function, given: vmap(function)(*given),
    "grad": lambda function, given: grad(lambda x: of_x2d(function, given)(x).sum())(given[1]),
    "jacrev": lambda function, given: jacrev(of_x2d(function, given))(given[1]),
    "jvp": lambda function, given: jvp(
        of_x2d(function, given), (given[1],), (torch.ones_like(given[1]),)
    )[1],
    "forward mode": forward_mode,
    "batched backward": batched_backward,
    "second derivatives": second_derivatives,
    "jit.trace": traced,
}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@SPACES
def test_transforms_of_operators_are_those_of_plain_torch(
    space: type[PoseSpace], transform: Callable[[Function, tuple[Tensor, ...]], Tensor]
) -> None:
    given = arguments(space)
    for name, function in functions(space).items():
        if transform is traced and name == "solution":
            with pytest.raises(RuntimeError, match=r"torch\.jit\.trace cannot record"):
                transform(function, given)
            continue
        with ops.use_backend("torch"):
            expected = transform(function, given)
        actual = transform(function, given)
        scale = max(float(expected.abs().max()), 1.0)
        torch.testing.assert_close(actual, expected, rtol=0, atol=EXACT * scale, msg=name)


@SPACES
def test_a_training_loss_under_torch_func(space: type[PoseSpace]) -> None:
    given = arguments(space)
    loss = vmap(lambda *values: training_loss(space, *values), randomness="different")(*given)
    assert loss.shape == (2,) and loss.isfinite().all()
    gradient = grad(lambda x2d: training_loss(space, given[0], x2d, *given[2:]).sum())(given[1])
    assert gradient.isfinite().all() and (gradient != 0).any()


@SPACES
def test_fake_tensors_have_the_shapes_of_real_ones(space: type[PoseSpace]) -> None:
    given = arguments(space)
    everything = {**functions(space), "loss": lambda *values: training_loss(space, *values)}
    expected = {name: function(*given).shape for name, function in everything.items()}
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        for values in (given, [mode.from_tensor(value) for value in given]):
            found = {name: function(*values).shape for name, function in everything.items()}
            assert found == expected


@SPACES
def test_another_default_device_changes_nothing(space: type[PoseSpace]) -> None:
    given = arguments(space)
    problem = build(*given[:3])
    everything = {**functions(space), "loss": lambda *values: training_loss(space, *values)}
    del everything["threshold"]
    for backend in ops.available():
        with ops.use_backend(backend), torch.device("meta"):
            estimate, samples = scenes.layer(space, mc_samples=8)(problem)
            cost = problem.cost(given[3])
            step = gauss_newton_step(problem, estimate.pose)
        for value in (estimate.valid, samples.log_weights, samples.mean, cost, step):
            assert value.device.type == "cpu"


@SPACES
def test_layers_are_copied_and_pickled(space: type[PoseSpace]) -> None:
    problem, _ = scenes.problem((2,), space=space)
    layer = scenes.layer(space, mc_samples=8)
    expected = layer.solve(problem, generator=scenes.seeded(0)).pose
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(again.solve(problem, generator=scenes.seeded(0)).pose, expected)
    same = pickle.loads(pickle.dumps(problem))
    assert torch.equal(layer.solve(same, generator=scenes.seeded(0)).pose, expected)


class Solve(torch.nn.Module):
    def __init__(self, space: type[PoseSpace]) -> None:
        super().__init__()
        self.layer = scenes.layer(space, lm_iterations=2, init=None)

    def forward(self, x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return self.layer.solve(build(x3d, x2d, w2d), pose).pose


@scenes.TRACES_CLASSES
@SPACES
def test_compiled_calls_are_operators(
    space: type[PoseSpace], request: pytest.FixtureRequest
) -> None:
    backend_of_tests = request.config.getoption("--backend") or "cpp"
    given = arguments(space)
    names: list[str] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable[..., object]:
        names.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    torch._dynamo.reset()
    solve = Solve(space)
    actual = torch.compile(solve, fullgraph=True, backend=backend)(*given)
    torch.testing.assert_close(actual, solve(*given), rtol=EXACT, atol=EXACT)
    uses_kernels = backend_of_tests == "cpp" and "cpp" in ops.available()
    assert ("epropnp_det.estimate.default" in names) == uses_kernels


@pytest.mark.slow
@scenes.TRACES_CLASSES
@SPACES
def test_exported_programs_are_saved_and_loaded(space: type[PoseSpace]) -> None:
    """In plain torch, so that they run where this package is not installed."""
    given = arguments(space)
    program = torch.export.export(Solve(space), given, strict=False)
    assert not any("epropnp_det" in str(node.target) for node in program.graph.nodes)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    actual = torch.export.load(buffer).module()(*given)
    torch.testing.assert_close(actual, Solve(space)(*given), rtol=EXACT, atol=EXACT)


def test_cameras_of_their_own_under_vmap() -> None:
    x3d, x2d, w2d, pose = arguments(scenes.YawPose)
    matrices = scenes.camera().matrix.expand(2, 3, 3) * torch.tensor([1.0, 1.1])[:, None, None]

    def cost(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor, matrix: Tensor) -> Tensor:
        camera = Camera.for_image(matrix, (1600, 900))
        return PnPProblem.adaptive(Correspondences(x3d, x2d, w2d), camera).cost(pose)

    actual = vmap(cost)(x3d, x2d, w2d, pose, matrices)
    torch.testing.assert_close(actual, cost(x3d, x2d, w2d, pose, matrices))
