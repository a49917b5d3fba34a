from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    PnPProblem,
    PoseEstimate,
    RandomSampleInit,
    YawPose,
    gauss_newton,
    gauss_newton_step,
    levenberg_marquardt,
    random_sample_init,
)
from epropnp_det.pnp._linalg import damped_inverse, safe_cholesky, solve
from epropnp_det.pnp.random_start import _draw_points
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, MINIMUM

from . import scenes
from .scenes import SPACES, seeded, uniform


def near(pose: Tensor, reach: float, seed: int) -> Tensor:
    """Poses at a uniform tangent of at most `reach` from the given ones."""
    space = pose_space(pose)
    return space.retract(
        pose, uniform((*pose.shape[:-1], space.tangent_dim), -reach, reach, seeded(seed))
    )


def assert_same_pose(actual: Tensor, expected: Tensor) -> None:
    assert pose_space(expected).difference(expected, actual).abs().max() < MINIMUM


@pytest.mark.parametrize("solver", [levenberg_marquardt, gauss_newton])
@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
@SPACES
def test_recovers_the_true_pose_of_exact_points(
    space: type[PoseSpace], robust: str, solver: Callable[..., PoseEstimate]
) -> None:
    problem, pose = scenes.problem((8,), noise=0.0, space=space)
    estimate = solver(replace(problem, robust=robust), near(pose, 0.2, 1), 15)
    assert_same_pose(estimate.pose, pose)
    assert estimate.valid.all()


@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
@SPACES
def test_agrees_with_scipy(space: type[PoseSpace], robust: str) -> None:
    problem, pose = scenes.problem((2,), noise=15.0, space=space)
    problem = replace(problem, robust=robust)
    estimate = levenberg_marquardt(problem, pose, 50)
    for one, start, found in zip((problem[i] for i in range(2)), pose, estimate.pose):
        # Scipy's robust loss is per number, ours per point: give it sqrt(rho) of each point
        # instead.
        def lengths(tangent: Tensor, one: PnPProblem = one, start: Tensor = start) -> Tensor:
            pixel = one.camera.project(
                space.transform(space.retract(start, tangent), one.points.x3d)
            )
            squared = (one.points.w2d * (pixel - one.points.x2d)).square().sum(-1)
            return (2 * one.robust_kernel.cost(squared, one.delta)).clamp(min=0).sqrt()

        def slope(tangent: np.ndarray, lengths: Callable[[Tensor], Tensor] = lengths) -> Tensor:
            return torch.autograd.functional.jacobian(
                lengths, torch.from_numpy(tangent), vectorize=True
            )

        zero, exact = np.zeros(space.tangent_dim), dict(xtol=1e-15, ftol=1e-15, gtol=1e-12)
        expected = least_squares(
            lambda t, lengths=lengths: lengths(torch.from_numpy(t)),
            zero,
            jac=slope,
            x_scale="jac",
            **exact,
        )
        assert_same_pose(found, space.retract(start, torch.from_numpy(expected.x)))


def test_robust_kernels_ignore_outliers() -> None:
    clean, pose = scenes.problem((16,), noise=0.5)
    moved = torch.where(torch.arange(24)[:, None] % 4 == 0, 200.0, 0.0)
    problem = PnPProblem.adaptive(
        replace(clean.points, x2d=clean.points.x2d + moved), clean.camera, relative_delta=0.05
    )
    error = {}
    for robust in ("huber", "cauchy", "none"):
        found = levenberg_marquardt(replace(problem, robust=robust), pose, 30)
        error[robust] = (found.pose - pose)[:, :3].norm(dim=-1).median()
    assert error["cauchy"] < 0.2 * error["huber"] and error["huber"] < 0.5 * error["none"]


@SPACES
def test_cost_never_rises(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((16,), noise=10.0, space=space)
    start = near(pose, 2.0, 2)
    costs = torch.stack([levenberg_marquardt(problem, start, number).cost for number in range(12)])
    assert (costs[1:] <= costs[:-1] * (1 + EXACT)).all()
    assert (costs[-1] < 0.9 * costs[0]).all()


@SPACES
def test_minimum_has_no_gradient_and_its_covariance_is_the_inverse_hessian(
    space: type[PoseSpace],
) -> None:
    problem, pose = scenes.problem((4,), space=space)
    estimate = levenberg_marquardt(problem, pose, 30)
    at = problem.linearize(estimate.pose)
    sigma = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (at.gradient.abs() * sigma).max() < MINIMUM
    torch.testing.assert_close(estimate.cost, problem.cost(estimate.pose))
    eye = torch.eye(space.tangent_dim, dtype=torch.float64)
    torch.testing.assert_close(
        estimate.covariance @ (at.hessian + 1e-5 * eye),
        eye.expand_as(at.hessian),
        rtol=0,
        atol=1e-6,
    )


@SPACES
def test_float32_stops_where_float64_does(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((16,), noise=5.0, space=space)
    single = levenberg_marquardt(problem.to(torch.float32), pose.float())
    double = levenberg_marquardt(problem, pose)
    sigma = double.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (space.difference(double.pose, single.pose.double()).abs() / sigma).max() < 1e-2


@SPACES
def test_batch_is_the_loop(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((2, 3), space=space)
    start = near(pose, 0.1, 3)
    together = levenberg_marquardt(problem, start)
    for row in range(2):
        for column in range(3):
            alone = levenberg_marquardt(problem[row, column], start[row, column])
            torch.testing.assert_close(
                together.pose[row, column], alone.pose, rtol=EXACT, atol=EXACT
            )


@SPACES
def test_gauss_newton_step_is_equation_9(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    residual, jacobian = (values.flatten(1, 2) for values in problem.residual_with_jacobian(pose))
    normal = jacobian.mT @ jacobian + 1e-5 * torch.eye(space.tangent_dim, dtype=torch.float64)
    step = -torch.linalg.solve(normal, jacobian.mT @ residual[..., None])[..., 0]
    torch.testing.assert_close(
        gauss_newton_step(problem, pose), space.retract(pose, step), rtol=EXACT, atol=EXACT
    )


@SPACES
def test_gauss_newton_step_is_differentiable_in_all_points(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((2,), number=6, noise=6.0, space=space)
    inputs = tuple(
        value.clone().requires_grad_()
        for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d)
    )

    def step(*values: Tensor) -> Tensor:
        return gauss_newton_step(
            PnPProblem.adaptive(Correspondences(*values), problem.camera), pose
        )

    assert torch.autograd.gradcheck(step, inputs)


def test_gauss_newton_step_takes_the_pose_as_a_constant() -> None:
    problem, pose = scenes.problem((2,), number=6)
    assert not gauss_newton_step(problem, pose.requires_grad_()).requires_grad


# --- estimates ---


@SPACES
def test_matrix_of_the_inverse_is_the_inverse_matrix(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((4,), space=space)
    estimate = levenberg_marquardt(problem, pose)
    eye = torch.eye(4, dtype=torch.float64).expand(4, 4, 4)
    torch.testing.assert_close(
        estimate.inverse().matrix() @ estimate.matrix(), eye, rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(estimate.matrix()[:, :3], space.matrix(estimate.pose))
    torch.testing.assert_close(
        estimate.inverse().inverse().hessian, estimate.hessian, rtol=EXACT, atol=EXACT
    )


@SPACES
def test_covariance_of_the_inverse_is_that_of_inverted_poses(space: type[PoseSpace]) -> None:
    """The cost as a function of the inverse pose has the Hessian of the inverse estimate."""
    problem, pose = scenes.problem((), noise=0.0, space=space)
    inverse = levenberg_marquardt(problem, pose).inverse()

    def cost(tangent: Tensor) -> Tensor:
        return problem.cost(space.inverse(space.retract(inverse.pose, tangent)))

    expected = torch.autograd.functional.hessian(
        cost, torch.zeros(space.tangent_dim, dtype=torch.float64)
    )
    torch.testing.assert_close(
        inverse.hessian, expected, rtol=MINIMUM, atol=MINIMUM * float(expected.abs().max())
    )


# --- small systems ---


def test_small_systems() -> None:
    matrix = torch.eye(3).repeat(4, 1, 1)
    matrix[1, 0, 0], matrix[2, 1, 1] = torch.nan, -1.0
    _, broken = safe_cholesky(matrix)
    assert broken.tolist() == [False, True, True, False]
    inverse, broken = damped_inverse(matrix)
    assert broken.tolist() == [False, True, True, False] and inverse.isfinite().all()
    matrix, vector = matrix.requires_grad_(), torch.ones(4, 3, requires_grad=True)
    solution = solve(matrix, vector)
    solution.sum().backward()
    torch.testing.assert_close(
        solution.detach(), torch.tensor([1.0, 0, 0, 1.0])[:, None].expand(4, 3)
    )
    assert (
        matrix.grad is not None and matrix.grad.isfinite().all() and (matrix.grad[1:3] == 0).all()
    )


# --- the random start ---


@SPACES
def test_random_start_finds_the_pose(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((64,), space=space)
    start = random_sample_init(problem.centre()[0], generator=seeded(0), space=space)
    start = space.translate_object_frame(start, -problem.centre()[1])
    error = space.difference(pose, levenberg_marquardt(problem, start, 10).pose)
    assert (error[:, :3].norm(dim=-1) < 0.1 * pose[:, 2]).double().mean() > 0.95
    # The 6DoF tangent is half a rotation vector.
    assert (error[:, 3:].norm(dim=-1) < (0.3 if space is YawPose else 0.15)).double().mean() > 0.95


def test_more_proposals_cost_less() -> None:
    problem, _ = scenes.problem((32,), noise=10.0)
    few, many = (
        problem.cost(random_sample_init(problem, RandomSampleInit(number, 16, 3), seeded(0)))
        for number in (2, 64)
    )
    assert many.mean() < few.mean()


def test_points_are_drawn_by_weight_without_replacement() -> None:
    weight = torch.arange(8, dtype=torch.float64).expand(1, 8)
    points = Correspondences(
        weight[..., None].expand(1, 8, 3),
        torch.rand(1, 8, 2).double(),
        weight[..., None].expand(1, 8, 2),
    )
    problem = PnPProblem(points, scenes.camera(), torch.ones(1))
    drawn = _draw_points(problem, RandomSampleInit(20000, 2, 0), seeded(0)).points.x3d[:, 0, :, 0]
    assert (drawn[:, 0] != drawn[:, 1]).all() and (drawn > 0).all()
    first = torch.bincount(drawn[:, 0].long(), minlength=8) / 20000
    torch.testing.assert_close(first, weight[0] / 28, rtol=0, atol=0.015, check_dtype=False)


def test_usable_points_repeat_where_they_are_too_few() -> None:
    problem, _ = scenes.problem((2,), number=20)
    mask = torch.arange(20)[None] < torch.tensor([[5], [20]])
    masked = PnPProblem.adaptive(
        Correspondences(problem.points.x3d, problem.points.x2d, problem.points.w2d, mask),
        problem.camera,
    )
    few = _draw_points(masked, RandomSampleInit(7, 16, 3), seeded(0))
    assert (few.points.w2d > 0).all()
    assert [len(few.points.x3d[3, index].unique(dim=0)) for index in range(2)] == [5, 16]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_fewer_points_than_a_proposal_wants(number: int) -> None:
    problem, _ = scenes.problem((3,), number=number)
    assert random_sample_init(problem, generator=seeded(0)).isfinite().all()


@pytest.mark.parametrize(
    "settings", [{"proposals": 0}, {"points": 1}, {"iterations": -1}, {"proposals": 1.5}]
)
def test_start_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RandomSampleInit(**settings)
