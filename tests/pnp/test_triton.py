"""The Triton kernels against the plain torch implementation: on the GPU, or without one in Triton's
interpreter.

The interpreter must be chosen before Triton is imported: TRITON_INTERPRET=1 python -m pytest
    tests/pnp/test_triton.py. Without it
`test_triton_without_gpu.py` runs this file so.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    PnPProblem,
    RandomSampleInit,
    YawPose,
    gauss_newton_step,
    monte_carlo_pose_loss,
    ops,
)
from epropnp_det.pnp.ops import operators
from epropnp_det.pnp.ops.triton import DEVICE, INSTALLED
from epropnp_det.pnp.solver import run_solver
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, NATIVE

from . import scenes
from .against_torch import (
    CORNER,
    DTYPE,
    ROBUST,
    assert_close,
    check_costs,
    check_rounding_of_costs,
    cost_of_any_pose,
    costs_and_gradients,
    hard,
    masked_with_own_cameras,
    not_covered,
    of_inputs,
    second_derivatives,
)
from .scenes import SPACES, seeded, uniform

pytestmark = [
    pytest.mark.skipif(not INSTALLED, reason="needs triton and a C compiler"),
    pytest.mark.usefixtures("all_kernels"),
    *([pytest.mark.gpu] if DEVICE == "cuda" else []),
]


def here(problem: PnPProblem, pose: Tensor) -> tuple[PnPProblem, Tensor]:
    """Where the kernels run."""
    return problem.to(DEVICE), pose.to(DEVICE)


def hard_here(
    space: type[PoseSpace], robust: str = "huber", corner: bool = False
) -> tuple[PnPProblem, Tensor]:
    """More samples and points than a tile has, and no multiple of it."""
    return here(*hard(space, robust, corner, samples=19))


# --- cost ---


def test_the_hard_problems_are_hard() -> None:
    """Every branch of the kernels is taken: near plane, all four limits, both sides of the
    threshold.
    """
    problem, pose = hard(YawPose, samples=19)
    camera = problem.camera.each_point()
    xyz = YawPose.transform(pose, problem.points.x3d)
    pixel, near = camera.project(xyz), camera.depth(xyz) < problem.camera.z_min
    for limit in (camera.clip_min, camera.clip_max):
        assert ((pixel == limit) & ~near[..., None]).flatten(0, -2).any(0).all()
    error = ((pixel - problem.points.x2d) * problem.points.w2d).norm(dim=-1)
    for share in (near, error > problem.delta[:, None]):
        assert share.any() and not share.all()


@ROBUST
@CORNER
@DTYPE
@SPACES
def test_cost_and_its_gradients_are_those_of_float64_autograd(
    space: type[PoseSpace], dtype: torch.dtype, tolerance: float, corner: bool, robust: str
) -> None:
    problem, pose = hard_here(space, robust, corner)
    check_rounding_of_costs("triton", problem, pose, dtype, tolerance)


@pytest.mark.parametrize("number", [1, 2, 31, 32, 65])
def test_any_number_of_points_and_samples(number: int) -> None:
    problem, pose = scenes.problem((2, 3), number=number)
    pose = pose + uniform((number, 2, 3, 4), -0.3, 0.3, seeded(1))
    check_costs(
        "triton", *here(replace(problem, delta=torch.ones(2, 3, dtype=torch.float64)), pose)
    )


def test_masked_points_and_cameras_of_their_own() -> None:
    check_costs("triton", *here(*masked_with_own_cameras()))


@pytest.mark.parametrize("samples, objects", [(0, 3), (2, 0)])
@SPACES
def test_nothing_to_do(space: type[PoseSpace], samples: int, objects: int) -> None:
    problem, pose = scenes.problem((objects,), space=space)
    problem, pose = here(problem, pose.expand(samples, objects, space.dim))
    check_costs("triton", problem, pose)
    with ops.use_backend("triton"):
        assert problem.linearize(pose).hessian.shape == (
            samples,
            objects,
            space.tangent_dim,
            space.tangent_dim,
        )


@pytest.mark.parametrize("junk", [torch.nan, torch.inf])
@SPACES
def test_numbers_that_are_not_finite_stay_so(space: type[PoseSpace], junk: float) -> None:
    problem, pose = here(*scenes.problem((2,), space=space))
    pose[0, 3] = junk
    for name in ("torch", "triton"):
        assert cost_of_any_pose(name, problem, pose[None]).isnan().tolist() == [[True, False]], name
        with ops.use_backend(name):
            at = problem.linearize(pose)
        assert at.cost.isnan().tolist() == [True, False] and at.gradient.isfinite().all(
            -1
        ).tolist() == [False, True], name
        assert at.hessian.isfinite().all(-1).all(-1).tolist() == [False, True], name


def test_samples_of_no_weight_are_left_out() -> None:
    problem, pose = hard_here(YawPose)
    again, leaves = of_inputs(problem)
    weight = (torch.arange(19, device=DEVICE) % 5 == 0).double()[:, None]
    with ops.use_backend("triton"):
        some = torch.autograd.grad((weight * again.cost(pose)).sum(), leaves)
    again, leaves = of_inputs(problem)
    with ops.use_backend("torch"):
        assert_close(
            list(some), list(torch.autograd.grad(again.cost(pose[::5]).sum(), leaves)), NATIVE
        )
    # Whatever their poses are.
    again, leaves = of_inputs(problem)
    broken = torch.where(weight[..., None] == 0, torch.nan, pose)
    cost = cost_of_any_pose("triton", again, broken)
    assert_close(
        list(torch.autograd.grad(cost, leaves, weight.expand_as(cost))), list(some), NATIVE
    )


def test_the_same_inputs_give_the_same_bits() -> None:
    problem, pose = hard_here(YawPose)
    first, second = (costs_and_gradients("triton", problem, pose) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second))


# --- normal equations ---


@ROBUST
@CORNER
@pytest.mark.parametrize("zero_clipped", [True, False])
@DTYPE
@SPACES
def test_normal_equations_are_those_of_float64(
    space: type[PoseSpace],
    dtype: torch.dtype,
    tolerance: float,
    zero_clipped: bool,
    corner: bool,
    robust: str,
) -> None:
    problem, pose = here(*hard(space, robust, corner, samples=4))
    problem, pose = problem.to(dtype), pose.to(dtype)
    with ops.use_backend("torch"):
        expected = problem.to(torch.float64).linearize(pose.to(torch.float64), zero_clipped)
    with ops.use_backend("triton"):
        actual = problem.linearize(pose, zero_clipped)
    assert_close(
        [actual.cost, actual.gradient, actual.hessian],
        [expected.cost, expected.gradient, expected.hessian],
        tolerance,
    )


@SPACES
def test_normal_equations_of_more_points_than_a_block(space: type[PoseSpace]) -> None:
    problem, pose = here(*scenes.problem((2,), number=131, space=space))
    with ops.use_backend("torch"):
        expected = problem.linearize(pose)
    with ops.use_backend("triton"):
        actual = problem.linearize(pose)
    assert_close(
        [actual.cost, actual.gradient, actual.hessian],
        [expected.cost, expected.gradient, expected.hessian],
        NATIVE,
    )


# --- solver, and the whole layer ---


def both_ends(problem: PnPProblem, start: Tensor, iterations: int, method: str) -> list[Tensor]:
    """Where the steps of Triton's and of plain torch's solver end."""
    ends = []
    for name in ("triton", "torch"):
        with ops.use_backend(name):
            ends.append(run_solver(problem, start, iterations, method))
    return ends


@ROBUST
@pytest.mark.parametrize("method", ["lm", "gauss_newton"])
@SPACES
def test_steps_of_the_solvers_are_those_of_plain_torch(
    space: type[PoseSpace], method: str, robust: str
) -> None:
    problem, pose = scenes.problem((1, 2), noise=20.0, space=space)
    start = space.retract(pose, uniform((2, 1, 2, space.tangent_dim), -0.3, 0.3, seeded(5)))
    problem, start = here(replace(problem, robust=robust), start)
    for iterations in (0, 4):
        ends = both_ends(problem, start, iterations, method)
        assert_close(ends[:1], ends[1:], NATIVE)


@pytest.mark.parametrize("method", ["lm", "gauss_newton"])
@SPACES
def test_solvers_stay_where_there_is_nothing_to_solve(space: type[PoseSpace], method: str) -> None:
    """No weights, so no Hessian; and a start that is no pose."""
    problem, pose = scenes.problem((3,), space=space)
    weight = problem.points.w2d * torch.tensor([0.0, 1.0, 1.0])[:, None, None]
    pose[1] = torch.nan
    problem, pose = here(replace(problem, points=replace(problem.points, w2d=weight)), pose)
    ends = both_ends(problem, pose, 2, method)
    assert ends[0].isnan().all(-1).tolist() == [False, True, False]
    torch.testing.assert_close(*ends, rtol=0, atol=NATIVE * 100, equal_nan=True)


@SPACES
def test_a_training_call_is_that_of_plain_torch_for_the_same_random_numbers(
    space: type[PoseSpace],
) -> None:
    """The random numbers are torch's, so both draw the same: problem, random start, solution,
    samples, loss and its gradient.
    """
    problem, pose = here(*scenes.problem((2,), number=12, noise=2.0, space=space))
    layer, found = (
        scenes.layer(
            space, mc_samples=32, amis_rounds=2, lm_iterations=2, init=RandomSampleInit(2, 6, 1)
        ),
        [],
    )
    for name in ("triton", "torch"):
        again, leaves = of_inputs(problem)
        with ops.use_backend(name):
            estimate, samples = layer(again, None, torch.Generator(DEVICE).manual_seed(0))
            loss = monte_carlo_pose_loss(samples, again.cost(pose))
            step = gauss_newton_step(again, estimate.pose)
        assert estimate.valid.all() and samples.valid.all()
        gradients = torch.autograd.grad(loss.sum() + step.square().sum(), leaves)
        found.append([estimate.pose, estimate.covariance, samples.pose, loss.detach(), *gradients])
    # Rounding grows from the solution over its covariance and the samples to the gradient.
    assert_close(*found, EXACT)


# --- what is not covered ---


def test_what_is_not_covered_goes_to_plain_torch() -> None:
    problem, _ = here(*scenes.problem((2,)))
    assert ops.has_kernel_for("cost", problem.tensors)
    for other in not_covered(problem):
        assert not ops.has_kernel_for("cost", other.tensors)


def test_gradients_in_poses_are_those_of_plain_torch() -> None:
    problem, pose = here(*scenes.problem((2,)))
    pose.requires_grad_()
    with ops.use_backend("triton"):
        assert (torch.autograd.grad(problem.cost(pose + 0.1).sum(), pose)[0] != 0).all()
        assert problem.linearize(pose).gradient.requires_grad


def test_second_derivatives_are_those_of_plain_torch() -> None:
    found = [second_derivatives(name, *hard_here(YawPose)) for name in ("torch", "triton")]
    assert_close(*found, NATIVE)


# --- as torch operators ---


@SPACES
def test_operators_keep_what_they_promise_to_torch(space: type[PoseSpace]) -> None:
    """Shapes given without computing are those computed, no input is changed, and the derivative is
    registered as it should be.
    """
    problem, pose = here(*scenes.problem((2,), number=5, space=space))
    problem = of_inputs(problem)[0]
    start = pose[None]
    tensors = problem.tensors
    constants = problem.detach().tensors
    torch.library.opcheck(operators.cost, (*tensors, start))
    torch.library.opcheck(operators.cost_gradient, (*constants, start, start[..., 0]))
    torch.library.opcheck(operators.linearize, (*constants, start, True))
    torch.library.opcheck(operators.solve, (*constants, start, "lm", 1))


@SPACES
def test_the_compiler_of_torch_takes_the_operators_as_they_are(space: type[PoseSpace]) -> None:
    problem, pose = here(*scenes.problem((2,), number=5, dtype=torch.float32, space=space))

    def costs(x3d: Tensor) -> tuple[Tensor, Tensor]:
        moved = replace(problem, points=replace(problem.points, x3d=x3d))
        return moved.cost(pose), moved.detach().linearize(pose).hessian

    torch._dynamo.reset()
    x3d = problem.points.x3d
    with ops.use_backend("triton"):
        compiled = torch.compile(costs, fullgraph=True, backend="aot_eager")
        ends = [each(x3d.clone().requires_grad_()) for each in (costs, compiled)]
    assert_close([end.detach() for end in ends[1]], [end.detach() for end in ends[0]], NATIVE)
    assert ends[1][0].requires_grad and not ends[1][1].requires_grad
