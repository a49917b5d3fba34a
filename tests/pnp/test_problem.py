from __future__ import annotations

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, YawPose
from tests.pnp import scenes
from tests.pnp.scenes import seeded, uniform
from tests.tolerances import EXACT, FINITE_DIFFERENCE


@pytest.fixture
def hard() -> tuple[PnPProblem, Tensor]:
    """Outliers, projections outside the limits and points nearer than the near plane; poses (4, 3, 4)."""
    problem, pose = scenes.problem((3,), noise=20.0)
    pose = pose + uniform((4, 3, 4), -1.0, 1.0, seeded(5))
    pose[2, :, 0] += 15.0
    pose[3, :, 2] = 0.4
    return problem, pose


def test_the_hard_problem_is_hard(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    pixel, jacobian = problem.camera.each_point().project_with_jacobian(YawPose.transform(pose, problem.points.x3d))
    residual = problem.residual(pose).square().sum(-1)
    depth = YawPose.transform(pose, problem.points.x3d)[..., 2]
    for some in ((jacobian == 0).all(-1), depth < problem.camera.z_min, residual > problem.delta[:, None].square()):
        assert some.any() and not some.all()
    assert pixel.shape == (4, 3, 24, 2)


def test_cost_is_equation_11(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    pixel = problem.camera.each_point().project(YawPose.transform(pose, problem.points.x3d))
    length = (problem.points.w2d * (pixel - problem.points.x2d)).norm(dim=-1)
    delta = problem.delta[:, None]
    rho = torch.where(length <= delta, length.square(), delta * (2 * length - delta))
    torch.testing.assert_close(problem.cost(pose), 0.5 * rho.sum(-1), rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(problem.linearize(pose).cost, problem.cost(pose), rtol=EXACT, atol=EXACT)


def test_jacobian_against_autograd(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, poses = hard
    for index in range(3):
        one, pose = problem[index], poses[:, index]
        for sample in pose:
            residual, jacobian = one.residual_with_jacobian(sample)
            scale = (one.delta / raw_residual(one, sample).norm(dim=-1).clamp(min=one.delta)).sqrt()
            expected = torch.autograd.functional.jacobian(lambda p, one=one: raw_residual(one, p), sample)
            torch.testing.assert_close(residual, scale[:, None] * raw_residual(one, sample), rtol=EXACT, atol=EXACT)
            torch.testing.assert_close(jacobian, scale[:, None, None] * expected, rtol=EXACT, atol=EXACT)


def raw_residual(problem: PnPProblem, pose: Tensor) -> Tensor:
    return problem.points.w2d * (problem.camera.project(YawPose.transform(pose, problem.points.x3d)) - problem.points.x2d)


def test_normal_equations(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    pose = pose.requires_grad_()
    at = problem.linearize(pose.detach())
    gradient = torch.autograd.grad(problem.cost(pose).sum(), pose)[0]
    torch.testing.assert_close(at.gradient, gradient, rtol=EXACT, atol=EXACT * float(gradient.abs().max()))
    rows = problem.residual_with_jacobian(pose.detach())[1].flatten(-3, -2)
    torch.testing.assert_close(at.hessian, rows.mT @ rows, rtol=EXACT, atol=EXACT * float(at.hessian.abs().max()))


def test_gradient_against_finite_differences() -> None:
    problem, pose = scenes.problem((2,))
    step = 1e-5
    gradient = problem.linearize(pose).gradient
    for axis in range(4):
        shift = torch.zeros(4, dtype=torch.float64)
        shift[axis] = step
        slope = (problem.cost(pose + shift) - problem.cost(pose - shift)) / (2 * step)
        torch.testing.assert_close(gradient[:, axis], slope, rtol=FINITE_DIFFERENCE, atol=FINITE_DIFFERENCE * float(gradient.abs().max()))


def test_cost_gradients_in_all_inputs() -> None:
    problem, pose = scenes.problem((2,), number=5)
    points = problem.points
    inputs = tuple(value.clone().requires_grad_() for value in (points.x3d, points.x2d, points.w2d, pose[None] + 0.1))

    def cost(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return PnPProblem.adaptive(Correspondences(x3d, x2d, w2d), problem.camera).cost(pose)

    assert torch.autograd.gradcheck(cost, inputs)


def test_hessian_is_exact_where_residuals_vanish() -> None:
    problem, pose = scenes.problem((), noise=0.0)
    expected = torch.autograd.functional.hessian(problem.cost, pose)
    torch.testing.assert_close(problem.linearize(pose).hessian, expected, rtol=EXACT, atol=EXACT * float(expected.abs().max()))


@pytest.mark.parametrize("tilt", [False, True])
def test_mirrored_problem_has_the_same_cost(tilt: bool, hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    if tilt:
        cos, sin = 0.8, 0.6
        problem = PnPProblem(problem.points, problem.camera.rotate(torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])), problem.delta)
    points = problem.points
    mirrored = Correspondences(
        points.x3d * torch.tensor([1, 1, -1]), torch.tensor([1600, 0]) + points.x2d * torch.tensor([-1, 1]), points.w2d, points.mask
    )
    expected = problem.cost(pose)
    torch.testing.assert_close(PnPProblem.adaptive(mirrored, problem.camera.flip(1600.0)).cost(YawPose.mirror(pose)), expected)


def test_centring_and_cropping_change_no_cost(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    centred, mean = problem.centre()
    torch.testing.assert_close(centred.points.x3d.mean(-2), torch.zeros(3, 3, dtype=torch.float64), rtol=0, atol=EXACT)
    torch.testing.assert_close(centred.cost(YawPose.move_origin(pose, mean)), problem.cost(pose), rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(problem.crop_to_points().cost(pose), problem.cost(pose), rtol=EXACT, atol=EXACT)


def test_sample_dims_batch_dims_and_indexing() -> None:
    problem, pose = scenes.problem((2, 3))
    samples = pose + uniform((4, 5, 2, 3, 4), -0.3, 0.3, seeded(1))
    cost = problem.cost(samples)
    assert cost.shape == (4, 5, 2, 3)
    for row, column in ((0, 0), (1, 2)):
        torch.testing.assert_close(problem[row, column].cost(samples[:, :, row, column]), cost[:, :, row, column])
    at = problem.linearize(samples[:, 0])
    assert at.gradient.shape == (4, 2, 3, 4) and at.hessian.shape == (4, 2, 3, 4, 4)
    assert problem.cost(pose[0, 0]).shape == (2, 3)
    assert problem[:0].cost(samples[:, :, :0]).shape == (4, 5, 0, 3)


def test_masked_points_change_nothing() -> None:
    problem, pose = scenes.problem((3,), number=12)
    points = problem.points
    rubbish = torch.tensor([torch.nan, 1e30, -5.0]).double()[:, None].expand(3, 3, 3)
    padded = (torch.cat((value, rubbish[..., : value.shape[-1]]), dim=1) for value in (points.x3d, points.x2d, points.w2d))
    mask = (torch.arange(15) < 12).expand(3, -1)
    masked = PnPProblem.adaptive(Correspondences(*padded, mask), problem.camera)
    torch.testing.assert_close(masked.delta, problem.delta)
    torch.testing.assert_close(masked.cost(pose), problem.cost(pose))
    torch.testing.assert_close(masked.linearize(pose).hessian, problem.linearize(pose).hessian)
    torch.testing.assert_close(masked.centre()[1], problem.centre()[1])
    torch.testing.assert_close(masked.usable, problem.usable)
    torch.testing.assert_close(masked[1].cost(pose[1]), problem[1].cost(pose[1]))


def test_a_pose_that_is_not_finite_costs_infinity_without_gradient() -> None:
    problem, pose = scenes.problem((3,), number=5)
    x3d = problem.points.x3d.clone().requires_grad_()
    pose[1, 2] = torch.nan
    cost = PnPProblem(Correspondences(x3d, problem.points.x2d, problem.points.w2d), problem.camera, problem.delta).cost(pose)
    assert cost.isinf().tolist() == [False, True, False]
    cost.sum().backward()
    assert x3d.grad is not None and (x3d.grad[1] == 0).all() and (x3d.grad[0] != 0).any()


def test_half_precision_becomes_float32() -> None:
    problem, _ = scenes.problem((2,), dtype=torch.float32)
    half = Correspondences(*(value.half() for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d)))
    assert PnPProblem.adaptive(half, problem.camera).delta.dtype == torch.float32


@pytest.mark.parametrize("name", ["x2d", "w2d", "mask"])
def test_shapes_that_do_not_belong_together_are_refused(name: str) -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    values = {"x3d": torch.zeros(2, 5, 3), "x2d": torch.zeros(2, 5, 2), "w2d": torch.zeros(2, 5, 2), "mask": mask}
    values[name] = values[name][:, :4]
    with pytest.raises(ValueError, match=name):
        Correspondences(**values)


def test_one_camera_for_all_objects_or_one_for_each() -> None:
    problem, pose = scenes.problem((3,))
    each = PnPProblem(problem.points, Camera.stack([scenes.camera()] * 3), problem.delta)
    torch.testing.assert_close(each.cost(pose), problem.cost(pose))
