from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    SE3Pose,
    YawPose,
    gauss_newton_step,
    implicit_pose,
    implicit_pose_loss,
    laplace_pose_loss,
    levenberg_marquardt,
    linear_covariance_loss,
    monte_carlo_pose_loss,
    pose_distance,
    projection_loss,
    reprojection_loss,
)
from epropnp_det.pnp.losses.baselines import exact_hessian, implicit_solution
from epropnp_det.pnp.solver import estimate_at
from epropnp_det.pnp.spaces import pose_space
from tests.tolerances import EXACT, FINITE_DIFFERENCE, SIGMAS

from . import scenes
from .scenes import seeded

LAYERS = {4: EProPnP4DoF, 7: EProPnP6DoF}
# Central differences of a float64 solution, whose own error is about 1e-12.
STEP = 1e-5


@pytest.fixture(params=LAYERS)
def dim(request: pytest.FixtureRequest) -> int:
    return request.param


def problem_of(dim: int, shape: tuple[int, ...] = (3,), **kwargs) -> tuple[PnPProblem, Tensor]:
    """A problem with noise, some of it beyond the Huber threshold, and its true pose (*shape,
    dim).
    """
    problem, pose = scenes.problem(shape, **{"number": 12, "noise": 6.0, **kwargs})
    problem = replace(problem, delta=0.15 * problem.delta)
    return (problem, pose) if dim == YawPose.dim else turned(problem, pose)


def turned(problem: PnPProblem, pose: Tensor) -> tuple[PnPProblem, Tensor]:
    """The same problem in object axes of any direction, and its true 6DoF pose (..., 7)."""
    tilted = torch.cat(
        (pose[..., :3], SE3Pose.random_rotation(tuple(pose.shape[:-1]), pose, seeded(7))[..., 3:]),
        dim=-1,
    )
    x3d = problem.points.x3d @ YawPose.rotation(pose).mT @ SE3Pose.rotation(tilted)
    return replace(problem, points=replace(problem.points, x3d=x3d)), tilted


def converged(problem: PnPProblem, pose: Tensor) -> PoseEstimate:
    """The minimum to the last digits: Levenberg-Marquardt ends where costs differ by rounding,
    Newton goes on by the gradient.
    """
    pose = levenberg_marquardt(problem, pose, 60).pose
    for _ in range(4):
        gradient = problem.linearize(pose).gradient
        pose = (
            pose_space(pose)
            .retract(pose, -torch.linalg.solve(exact_hessian(problem, pose), gradient))
            .detach()
        )
    return estimate_at(problem, pose)


def leaves(problem: PnPProblem) -> tuple[Tensor, ...]:
    points = problem.points
    return tuple(
        value.detach().clone().requires_grad_()
        for value in (points.x3d, points.x2d, points.w2d, problem.delta)
    )


def rebuilt(problem: PnPProblem, values: tuple[Tensor, ...]) -> PnPProblem:
    return PnPProblem(Correspondences(*values[:3]), problem.camera, values[3])


def directions(values: tuple[Tensor, ...], seed: int) -> list[Tensor]:
    """One direction that moves everything; weights and thresholds by a share of themselves, so that
    they stay positive.
    """
    generator = seeded(seed)
    drawn = [torch.randn(value.shape, generator=generator, dtype=value.dtype) for value in values]
    return [drawn[0], drawn[1] * 10, drawn[2] * values[2].detach(), drawn[3] * values[3].detach()]


def moved(values: tuple[Tensor, ...], along: list[Tensor], step: float) -> tuple[Tensor, ...]:
    return tuple(value.detach() + step * part for value, part in zip(values, along))


def slope(values: tuple[Tensor, ...], along: list[Tensor], result: Tensor) -> Tensor:
    """Derivative of the sum of `result` along a direction, from autograd."""
    gradients = torch.autograd.grad(result.sum(), values)
    return torch.stack([(gradient * part).sum() for gradient, part in zip(gradients, along)]).sum()


# --- implicit differentiation ---


def test_some_points_of_the_scenes_are_beyond_the_threshold(dim: int) -> None:
    problem, pose = problem_of(dim)
    error = problem.residual(converged(problem, pose).pose).norm(dim=-1)
    assert 0.05 < (error > 1.001 * problem.delta[..., None]).double().mean() < 0.5


def test_hessian_is_the_derivative_of_the_cost(dim: int) -> None:
    problem, pose = problem_of(dim)
    pose, space = converged(problem, pose).pose, pose_space(pose)
    tangent = torch.zeros(*pose.shape[:-1], space.tangent_dim, dtype=torch.float64)
    expected = torch.stack(
        [
            torch.autograd.functional.hessian(
                lambda t, i=i: problem[i].cost(space.retract(pose[i], t)), tangent[i]
            )
            for i in range(len(pose))
        ]
    )
    scale = expected.diagonal(dim1=-2, dim2=-1).rsqrt()
    unit = (exact_hessian(problem, pose) - expected) * scale[..., None] * scale[..., None, :]
    assert unit.abs().max() < 1e-7
    gauss_newton = (
        (problem.linearize(pose).hessian - expected) * scale[..., None] * scale[..., None, :]
    )
    assert gauss_newton.abs().max() > 1e-2


@pytest.mark.parametrize("seed", range(4))
def test_solution_moves_with_the_points_as_the_gradient_says(dim: int, seed: int) -> None:
    """Against solving again: the derivative of every pose number along a direction that moves
    points, weights and threshold.
    """
    problem, pose = problem_of(dim, seed=seed)
    estimate = converged(problem, pose)
    values = leaves(problem)
    along = directions(values, seed)
    ends = [
        converged(rebuilt(problem, moved(values, along, step)), estimate.pose).pose
        for step in (-STEP, STEP)
    ]
    expected = (ends[1] - ends[0]) / (2 * STEP)
    solution = implicit_pose(rebuilt(problem, values), estimate)
    got = [slope_of(values, along, solution[..., number]) for number in range(dim)]
    torch.testing.assert_close(
        torch.stack(got, -1), expected, rtol=FINITE_DIFFERENCE, atol=FINITE_DIFFERENCE
    )


def slope_of(values: tuple[Tensor, ...], along: list[Tensor], result: Tensor) -> Tensor:
    """`slope` of each object apart (...)."""
    gradients = torch.autograd.grad(result.sum(), values, retain_graph=True)
    batch = result.ndim
    return torch.stack(
        [
            (gradient * part).flatten(batch).sum(-1) if gradient.ndim > batch else gradient * part
            for gradient, part in zip(gradients, along)
        ]
    ).sum(0)


def test_the_gauss_newton_step_is_only_near_it(dim: int) -> None:
    """The step of Eq. (9) leaves out the second derivatives: similar (Section 3.4), not the
    same.
    """
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    values = leaves(problem)
    along = directions(values, 0)
    exact, near = (
        slope(values, along, make(rebuilt(problem, values)))
        for make in (
            lambda problem: implicit_pose(problem, estimate),
            lambda problem: gauss_newton_step(problem, estimate.pose),
        )
    )
    assert 1e-3 < abs(exact - near) / abs(exact) < 0.5


def test_solution_keeps_its_value(dim: int) -> None:
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    torch.testing.assert_close(implicit_pose(problem, estimate), estimate.pose, rtol=0, atol=1e-15)


def test_implicit_loss_is_the_distance_to_the_target(dim: int) -> None:
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    torch.testing.assert_close(
        implicit_pose_loss(problem, estimate, pose),
        pose_distance(estimate.pose, pose),
        rtol=EXACT,
        atol=EXACT,
    )


def test_descent_on_the_implicit_loss_brings_the_solution_home(dim: int) -> None:
    problem, pose = problem_of(dim)
    x2d = problem.points.x2d.clone().requires_grad_()
    optimizer = torch.optim.Adam((x2d,), 0.3)
    losses = []
    for _ in range(60):
        current = replace(problem, points=replace(problem.points, x2d=x2d))
        loss = implicit_pose_loss(current, levenberg_marquardt(current, pose), pose).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]


# --- projection of vertices ---


def vertices_of(pose: Tensor) -> Tensor:
    """Vertices (..., 8, 3) [m] of objects."""
    drawn = torch.rand(8, 3, generator=seeded(3), dtype=pose.dtype) - 0.5
    return drawn.expand(*pose.shape[:-1], 8, 3)


@pytest.mark.parametrize("robust", ["none", "huber", "cauchy"])
def test_projection_loss_against_solving_again(dim: int, robust: str) -> None:
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    values = leaves(problem)
    along = directions(values, 1)

    def loss(current: PnPProblem, found: PoseEstimate) -> Tensor:
        return projection_loss(current, found, vertices_of(pose), pose, robust, delta=4.0)

    ends = []
    for step in (-STEP, STEP):
        there = rebuilt(problem, moved(values, along, step))
        ends.append(loss(there, converged(there, estimate.pose)).sum())
    total = loss(rebuilt(problem, values), estimate).sum()
    terms = torch.cat(
        [(g * part).flatten() for g, part in zip(torch.autograd.grad(total, values), along)]
    )
    error = terms.sum() - (ends[1] - ends[0]) / (2 * STEP)
    # Terms of both signs cancel in the sum.
    assert error.abs() < FINITE_DIFFERENCE * terms.abs().sum()


def test_projection_loss_is_zero_at_the_true_pose_alone(dim: int) -> None:
    problem, pose = problem_of(dim, noise=0.0)
    at_truth = estimate_at(problem, pose)
    assert (projection_loss(problem, at_truth, vertices_of(pose), pose) == 0).all()
    noisy, pose = problem_of(dim)
    estimate = converged(noisy, pose)
    assert (projection_loss(noisy, estimate, vertices_of(pose), pose) > 1e-3).all()


def test_no_gradient_where_the_solution_is_no_strict_minimum(dim: int) -> None:
    """A point of a saddle is no function of the points: it is flagged, and counts for nothing."""
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    away = pose.clone()
    away[1, :3] += 3.0
    away[1] = saddle_pose(problem[1], away[1])
    estimate = replace(
        estimate, pose=torch.where(torch.arange(3)[:, None] == 1, away, estimate.pose)
    )
    values = leaves(problem)
    current = rebuilt(problem, values)
    _, strict = implicit_solution(current, estimate)
    assert strict.tolist() == [True, False, True]
    loss = projection_loss(current, estimate, vertices_of(pose), pose)
    assert loss[1] == 0 and (loss[[0, 2]] > 0).all()
    for gradient in torch.autograd.grad(loss.sum(), values):
        assert gradient.isfinite().all() and (gradient[1] == 0).all()
        assert (gradient[[0, 2]] != 0).any()


def saddle_pose(problem: PnPProblem, pose: Tensor) -> Tensor:
    """A pose with a Hessian that is not positive definite, among random ones."""
    generator = seeded(5)
    for _ in range(200):
        turn = torch.randn(len(pose) - 3, generator=generator, dtype=pose.dtype)
        candidate = torch.cat((pose[:3], turn / turn.norm() if len(turn) == 4 else 3 * turn))
        if torch.linalg.eigvalsh(exact_hessian(problem, candidate)).min() < 0:
            return candidate
    raise AssertionError("no such pose")


# --- linear covariance ---


def test_linear_covariance_is_that_of_many_solutions(dim: int) -> None:
    """Each error with a random sign of its own: the mean distance of the solutions to the true
    pose, for errors so small that the solution is linear in them.
    """
    problem, pose = scenes.problem((1,), number=12, noise=0.01)
    if dim == SE3Pose.dim:
        problem, pose = turned(problem, pose)
    exact = problem.camera.each_point().project(
        pose_space(pose).transform(pose, problem.points.x3d)
    )
    sign = torch.randn(4000, 1, 12, 1, generator=seeded(1), dtype=pose.dtype).sign()
    x2d = exact + sign * (problem.points.x2d - exact)
    runs = replace(
        problem.map(lambda value: value.expand(4000, *value.shape)),
        points=Correspondences(
            problem.points.x3d.expand(4000, 1, 12, 3),
            x2d,
            problem.points.w2d.expand(4000, 1, 12, 2),
        ),
    )
    start = pose.expand(4000, 1, dim)
    solved = gauss_newton_step(runs, start, damping=0.0)
    distance = pose_distance(solved, start)
    spread = distance.std() / len(distance) ** 0.5
    got = linear_covariance_loss(problem, pose)
    assert (distance.mean() - got).abs() < SIGMAS * spread + 1e-3 * got


def test_linear_covariance_moves_every_point_towards_its_true_place(dim: int) -> None:
    problem, pose = problem_of(dim, (4,), number=40)
    values = leaves(problem)
    linear_covariance_loss(rebuilt(problem, values), pose).sum().backward()
    error = values[1].detach() - problem.camera.each_point().project(
        pose_space(pose).transform(pose, problem.points.x3d)
    )
    assert ((values[1].grad * error).sum(-1) >= 0).all()


def test_linear_covariance_is_zero_without_errors_and_needs_no_scale_of_weights(dim: int) -> None:
    problem, pose = problem_of(dim)
    exact = problem.camera.each_point().project(
        pose_space(pose).transform(pose, problem.points.x3d)
    )
    perfect = replace(problem, points=replace(problem.points, x2d=exact))
    # The root at zero has a small floor.
    assert (linear_covariance_loss(perfect, pose) < 1e-11).all()
    plain = replace(problem, robust="none")
    doubled = replace(plain, points=replace(plain.points, w2d=2 * plain.points.w2d))
    torch.testing.assert_close(
        linear_covariance_loss(doubled, pose),
        linear_covariance_loss(plain, pose),
        rtol=EXACT,
        atol=EXACT,
    )


# --- distance ---


def test_distance_of_poses() -> None:
    pose = scenes.poses((5,), seeded(0))
    assert pose_distance(pose, pose).max() < 1e-11
    turned = pose + torch.tensor([0.0, 0.0, 0.0, 0.7], dtype=torch.float64)
    torch.testing.assert_close(
        pose_distance(turned, pose),
        torch.full((5,), 1 - math.cos(0.7), dtype=torch.float64),
        rtol=EXACT,
        atol=EXACT,
    )
    near, far = (
        pose + torch.tensor([0.0, 0.6, 0.8, 0.0], dtype=torch.float64) * length
        for length in (0.5, 3.0)
    )
    torch.testing.assert_close(
        pose_distance(near, pose),
        torch.full((5,), 0.125, dtype=torch.float64),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close(
        pose_distance(far, pose), torch.full((5,), 2.5, dtype=torch.float64), rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(
        pose_distance(far, pose, beta=4.0),
        torch.full((5,), 1.125, dtype=torch.float64),
        rtol=EXACT,
        atol=EXACT,
    )


def test_distance_knows_no_winding() -> None:
    pose = scenes.poses((5,), seeded(0))
    wound = pose + torch.tensor([0.0, 0.0, 0.0, 2 * math.pi]).double()
    assert pose_distance(wound, pose).max() < 1e-11
    same = pose.clone().requires_grad_()
    pose_distance(same, pose).sum().backward()
    assert (same.grad == 0).all()


# --- Laplace's method ---


@pytest.mark.parametrize("seed", range(3))
def test_laplace_is_monte_carlo_where_the_problem_is_nearly_linear(dim: int, seed: int) -> None:
    """Weights so large that the posterior is a Gaussian of millimetres; the constant log S is the
    difference.
    """
    problem, pose = problem_of(dim, (4,), noise=0.5, weight=400.0, number=24, seed=seed)
    problem = replace(problem, delta=torch.full_like(problem.delta, 1e4))
    estimate = converged(problem, pose)
    samples = LAYERS[dim](mc_samples=32768).sample(problem, estimate, seeded(seed))
    error = (1 / samples.effective_sample_size - 1 / 32768).sqrt()
    assert error.max() < 0.025
    monte_carlo = monte_carlo_pose_loss(samples, problem.cost(pose)) - math.log(32768)
    laplace = laplace_pose_loss(problem, estimate, problem.cost(pose))
    assert ((laplace - monte_carlo).abs() < SIGMAS * error).all()


def test_laplace_is_not_monte_carlo_where_the_posterior_is_wide(dim: int) -> None:
    """A posterior with several modes or long tails holds more than its highest peak."""
    problem, pose = problem_of(dim, (16,), noise=20.0, weight=0.5)
    estimate = LAYERS[dim]().solve(problem, generator=seeded(0))
    samples = LAYERS[dim](mc_samples=4096).sample(problem, estimate, seeded(0))
    target_cost = problem.cost(pose)
    gap = (
        monte_carlo_pose_loss(samples, target_cost)
        - math.log(4096)
        - laplace_pose_loss(problem, estimate, target_cost)
    )
    assert gap[estimate.valid].abs().median() > 0.2


def test_gradient_of_the_laplace_loss(dim: int) -> None:
    """Against solving again, determinant and solution moving along."""
    problem, pose = problem_of(dim)
    values = leaves(problem)
    along = directions(values, 5)

    def loss(values: tuple[Tensor, ...]) -> Tensor:
        current = rebuilt(problem, values)
        return laplace_pose_loss(current, converged(current, pose), current.cost(pose)).sum()

    expected = (loss(moved(values, along, STEP)) - loss(moved(values, along, -STEP))).detach() / (
        2 * STEP
    )
    torch.testing.assert_close(
        slope(values, along, loss(values)), expected, rtol=FINITE_DIFFERENCE, atol=FINITE_DIFFERENCE
    )


# --- reprojection ---


def test_reprojection_is_the_cost_at_the_target(dim: int) -> None:
    problem, pose = problem_of(dim)
    torch.testing.assert_close(reprojection_loss(problem, pose), problem.cost(pose))


def test_reprojection_alone_is_pleased_by_points_that_say_nothing(dim: int) -> None:
    """Why it needs supervision: all points at the object's centre cost nothing at the true pose,
    and nothing at any rotation.
    """
    problem, pose = problem_of(dim)
    x3d = torch.zeros_like(problem.points.x3d)
    x2d = problem.camera.each_point().project(pose[..., None, :3]).expand_as(problem.points.x2d)
    collapsed = replace(problem, points=replace(problem.points, x3d=x3d, x2d=x2d))
    assert (reprojection_loss(collapsed, pose) < 1e-12).all() and (
        reprojection_loss(problem, pose) > 1e-2
    ).all()
    assert not collapsed.usable.any()


# --- objects that are broken, shapes ---


def losses_of(problem: PnPProblem, estimate: PoseEstimate, pose: Tensor) -> list[Tensor]:
    target_cost = problem.cost(pose)
    return [
        implicit_pose_loss(problem, estimate, pose),
        laplace_pose_loss(problem, estimate, target_cost),
        reprojection_loss(problem, pose),
        projection_loss(problem, estimate, vertices_of(pose), pose),
        linear_covariance_loss(problem, pose),
    ]


def test_broken_objects_are_zero_without_gradient_and_leave_the_others_alone(dim: int) -> None:
    problem, pose = problem_of(dim, (4,))
    x3d, x2d, w2d = (
        value.clone() for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d)
    )
    x3d[1, 2, 0], w2d[2] = torch.nan, 0.0
    values = tuple(value.requires_grad_() for value in (x3d, x2d, w2d))
    broken = PnPProblem(Correspondences(*values), problem.camera, problem.delta)
    estimate = LAYERS[dim]().solve(broken, generator=seeded(0))
    assert estimate.valid.tolist() == [True, False, False, True]
    healthy = [0, 3]
    for loss, alone in zip(
        losses_of(broken, estimate, pose),
        losses_of(problem[healthy], estimate[healthy], pose[healthy]),
    ):
        torch.testing.assert_close(loss[healthy], alone, rtol=EXACT, atol=EXACT)
        assert (loss[[1, 2]] == 0).all()
        for gradient in torch.autograd.grad(loss.sum(), values, retain_graph=True):
            assert (
                gradient.isfinite().all()
                and (gradient[[1, 2]] == 0).all()
                and (gradient[healthy] != 0).any()
            )


def test_poses_that_are_not_finite_are_zero_without_gradient(dim: int) -> None:
    problem, pose = problem_of(dim)
    values = leaves(problem)
    current = rebuilt(problem, values)
    estimate = converged(problem, pose)
    lost = replace(
        estimate, pose=torch.full_like(pose, torch.nan), valid=torch.zeros_like(estimate.valid)
    )
    total = sum(loss.sum() for loss in losses_of(current, lost, torch.full_like(pose, torch.inf)))
    assert total == 0
    assert all((gradient == 0).all() for gradient in torch.autograd.grad(total, values))


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_batch_dims(dim: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    problem, pose = problem_of(dim, shape, dtype=dtype)
    estimate = levenberg_marquardt(problem, pose)
    for loss in losses_of(problem, estimate, pose):
        assert loss.shape == shape and loss.dtype == dtype and loss.isfinite().all()


def test_sample_dims_in_front(dim: int) -> None:
    problem, pose = problem_of(dim, (2,))
    estimate = converged(problem, pose.expand(5, 2, dim))
    assert implicit_pose(problem, estimate).shape == (5, 2, dim)
    assert implicit_pose_loss(problem, estimate, pose).shape == (5, 2)


def test_float32_agrees_with_float64(dim: int) -> None:
    problem, pose = problem_of(dim)
    estimate = converged(problem, pose)
    values = leaves(problem)
    single = tuple(value.detach().float().requires_grad_() for value in values)
    along = directions(values, 7)
    for make in (implicit_pose_loss, laplace_pose_loss):
        goal = pose if make is implicit_pose_loss else torch.zeros_like(pose[..., 0])
        double = slope(values, along, make(rebuilt(problem, values), estimate, goal))
        half = slope(
            single,
            [part.float() for part in along],
            make(
                rebuilt(problem.to(torch.float32), single), estimate.to(torch.float32), goal.float()
            ),
        )
        torch.testing.assert_close(half.double(), double, rtol=1e-2, atol=1e-2)


def test_autocast_does_not_reach_inside(dim: int) -> None:
    problem, pose = problem_of(dim, dtype=torch.float32)
    estimate = levenberg_marquardt(problem, pose)
    plain = losses_of(problem, estimate, pose)
    with torch.autocast("cpu", torch.bfloat16):
        for loss, expected in zip(losses_of(problem, estimate, pose), plain):
            assert torch.equal(loss, expected)


def test_yaw_is_the_only_rotation_of_the_distance() -> None:
    pose = scenes.poses((5,), seeded(1))
    other = scenes.poses((5,), seeded(2))
    assert pose_space(pose) is YawPose
    flat = torch.cat((pose[:, :3], other[:, 3:]), dim=-1)
    torch.testing.assert_close(
        pose_distance(flat, pose), 1 - (other[:, 3] - pose[:, 3]).cos(), rtol=EXACT, atol=EXACT
    )
