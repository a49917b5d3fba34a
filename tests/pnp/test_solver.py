from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    PnPProblem,
    RandomSampleInit,
    YawPose,
    gauss_newton,
    gauss_newton_step,
    levenberg_marquardt,
    random_sample_init,
)
from epropnp_det.pnp.linalg import damped_inverse, safe_cholesky, solve
from epropnp_det.pnp.start import _draw_points
from tests.pnp import scenes
from tests.pnp.scenes import seeded, uniform
from tests.tolerances import EXACT, MINIMUM


def angle_between(first: Tensor, second: Tensor) -> Tensor:
    return torch.atan2((first - second).sin(), (first - second).cos()).abs()


@pytest.mark.parametrize("solver", [levenberg_marquardt, gauss_newton])
def test_recovers_the_true_pose_of_exact_points(solver) -> None:
    problem, pose = scenes.problem((8,), noise=0.0)
    estimate = solver(problem, pose + uniform(pose.shape, -0.3, 0.3, seeded(1)), 10)
    torch.testing.assert_close(estimate.pose, pose, rtol=0, atol=MINIMUM)
    assert estimate.valid.all()


def test_agrees_with_scipy() -> None:
    problem, pose = scenes.problem((4,), noise=15.0)
    estimate = levenberg_marquardt(problem, pose, 50)
    for one, start, found in zip((problem[i] for i in range(4)), pose, estimate.pose):
        # Scipy's robust loss is per number, ours per point: give it sqrt(rho) of each point instead.
        def lengths(y: np.ndarray, one: PnPProblem = one) -> np.ndarray:
            pixel = one.camera.project(YawPose.transform(torch.from_numpy(y), one.points.x3d))
            length = (one.points.w2d * (pixel - one.points.x2d)).norm(dim=-1)
            delta = one.delta
            return torch.where(length <= delta, length, (delta * (2 * length - delta)).clamp(min=0).sqrt()).numpy()

        expected = least_squares(lengths, start.numpy(), jac="3-point", x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-12)
        torch.testing.assert_close(found, torch.from_numpy(expected.x), rtol=0, atol=MINIMUM)


def test_cost_never_rises() -> None:
    problem, pose = scenes.problem((16,), noise=10.0)
    start = pose + uniform(pose.shape, -2.0, 2.0, seeded(2))
    costs = torch.stack([levenberg_marquardt(problem, start, number).cost for number in range(12)])
    assert (costs[1:] <= costs[:-1] * (1 + EXACT)).all()
    assert (costs[-1] < 0.9 * costs[0]).all()


def test_minimum_has_no_gradient_and_its_covariance_is_the_inverse_hessian() -> None:
    problem, pose = scenes.problem((4,))
    estimate = levenberg_marquardt(problem, pose, 30)
    at = problem.linearize(estimate.pose)
    sigma = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (at.gradient.abs() * sigma).max() < MINIMUM
    torch.testing.assert_close(estimate.cost, problem.cost(estimate.pose))
    eye = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(estimate.covariance @ (at.hessian + 1e-5 * eye), eye.expand(4, 4, 4), rtol=0, atol=1e-6)


def test_float32_stops_where_float64_does() -> None:
    problem, pose = scenes.problem((16,), noise=5.0)
    single = levenberg_marquardt(problem.to(torch.float32), pose.float())
    double = levenberg_marquardt(problem, pose)
    sigma = double.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((single.pose.double() - double.pose).abs() / sigma).max() < 1e-2


def test_batch_is_the_loop() -> None:
    problem, pose = scenes.problem((2, 3))
    together = levenberg_marquardt(problem, pose + 0.1)
    for row in range(2):
        for column in range(3):
            alone = levenberg_marquardt(problem[row, column], pose[row, column] + 0.1)
            torch.testing.assert_close(together.pose[row, column], alone.pose, rtol=EXACT, atol=EXACT)


def test_tilted_camera_keeps_gravity_up() -> None:
    cos, sin = torch.tensor(0.2).double().cos(), torch.tensor(0.2).double().sin()
    tilt = torch.eye(3, dtype=torch.float64)
    tilt[1, 1], tilt[1, 2], tilt[2, 1], tilt[2, 2] = cos, -sin, sin, cos
    view, pose = scenes.camera().rotate(tilt), scenes.poses((5,), seeded(3))
    problem = PnPProblem.adaptive(scenes.points(pose, noise=0.0, view=view), view)
    torch.testing.assert_close(levenberg_marquardt(problem, pose + 0.1, 20).pose, pose, rtol=0, atol=MINIMUM)


def test_gauss_newton_step_is_equation_9() -> None:
    problem, pose = scenes.problem((3,))
    residual, jacobian = (values.flatten(1, 2) for values in problem.residual_with_jacobian(pose))
    normal = jacobian.mT @ jacobian + 1e-5 * torch.eye(4, dtype=torch.float64)
    step = -torch.linalg.solve(normal, jacobian.mT @ residual[..., None])[..., 0]
    torch.testing.assert_close(gauss_newton_step(problem, pose), pose + step, rtol=EXACT, atol=EXACT)


def test_gauss_newton_step_is_differentiable_in_all_points() -> None:
    problem, pose = scenes.problem((2,), number=6, noise=6.0)
    inputs = tuple(value.clone().requires_grad_() for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d))

    def step(*values: Tensor) -> Tensor:
        return gauss_newton_step(PnPProblem.adaptive(Correspondences(*values), problem.camera), pose)

    assert torch.autograd.gradcheck(step, inputs)


def test_gauss_newton_step_takes_the_pose_as_a_constant() -> None:
    problem, pose = scenes.problem((2,), number=6)
    assert not gauss_newton_step(problem, pose.requires_grad_()).requires_grad


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
    torch.testing.assert_close(solution.detach(), torch.tensor([1.0, 0, 0, 1.0])[:, None].expand(4, 3))
    assert matrix.grad is not None and matrix.grad.isfinite().all() and (matrix.grad[1:3] == 0).all()


def test_random_start_finds_the_pose() -> None:
    problem, pose = scenes.problem((64,))
    start = random_sample_init(problem.centre()[0], generator=seeded(0))
    start = YawPose.move_origin(start, -problem.centre()[1])
    found = levenberg_marquardt(problem, start, 10)
    assert ((found.pose - pose)[:, :3].norm(dim=-1) < 0.1 * pose[:, 2]).double().mean() > 0.95
    assert (angle_between(found.pose[:, 3], pose[:, 3]) < 0.3).double().mean() > 0.95


def test_more_proposals_cost_less() -> None:
    problem, _ = scenes.problem((32,), noise=10.0)
    few, many = (problem.cost(random_sample_init(problem, RandomSampleInit(number, 16, 3), seeded(0))) for number in (2, 64))
    assert many.mean() < few.mean()


def test_points_are_drawn_by_weight_without_replacement() -> None:
    weight = torch.arange(8, dtype=torch.float64).expand(1, 8)
    points = Correspondences(weight[..., None].expand(1, 8, 3), torch.rand(1, 8, 2).double(), weight[..., None].expand(1, 8, 2))
    problem = PnPProblem(points, scenes.camera(), torch.ones(1))
    drawn = _draw_points(problem, RandomSampleInit(20000, 2, 0), seeded(0)).points.x3d[:, 0, :, 0]
    assert (drawn[:, 0] != drawn[:, 1]).all() and (drawn > 0).all()
    first = torch.bincount(drawn[:, 0].long(), minlength=8) / 20000
    torch.testing.assert_close(first, weight[0] / 28, rtol=0, atol=0.015, check_dtype=False)


def test_usable_points_repeat_where_they_are_too_few() -> None:
    problem, _ = scenes.problem((2,), number=20)
    mask = torch.arange(20)[None] < torch.tensor([[5], [20]])
    masked = PnPProblem.adaptive(Correspondences(problem.points.x3d, problem.points.x2d, problem.points.w2d, mask), problem.camera)
    few = _draw_points(masked, RandomSampleInit(7, 16, 3), seeded(0))
    assert (few.points.w2d > 0).all()
    assert [len(few.points.x3d[3, index].unique(dim=0)) for index in range(2)] == [5, 16]


@pytest.mark.parametrize("number", [2, 3, 5])
def test_fewer_points_than_a_proposal_wants(number: int) -> None:
    problem, _ = scenes.problem((3,), number=number)
    assert random_sample_init(problem, generator=seeded(0)).isfinite().all()


@pytest.mark.parametrize("settings", [{"proposals": 0}, {"points": 1}, {"iterations": -1}, {"proposals": 1.5}])
def test_start_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RandomSampleInit(**settings)
