from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, SE3Pose, YawPose
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, FINITE_DIFFERENCE

from . import scenes
from .scenes import SPACES, seeded, uniform


@pytest.fixture(params=[YawPose, SE3Pose], ids=["4dof", "6dof"])
def hard(request: pytest.FixtureRequest) -> tuple[PnPProblem, Tensor]:
    """Outliers, projections outside the limits and points nearer than the near plane; poses (4, 3,
    D).
    """
    space = request.param
    problem, pose = scenes.problem((3,), noise=20.0, space=space)
    pose = space.retract(pose, uniform((4, 3, space.tangent_dim), -1.0, 1.0, seeded(5)))
    pose[2, :, 0] += 15.0
    pose[3, :, 2] = 0.4
    return problem, pose


def image_errors(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Weighted reprojection errors (S, ..., N, 2) before any robust kernel."""
    pixel = problem.camera.each_point().project(
        pose_space(pose).transform(pose, problem.points.x3d)
    )
    return problem.points.w2d * (pixel - problem.points.x2d)


def test_the_hard_problem_is_hard(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    xyz = pose_space(pose).transform(pose, problem.points.x3d)
    pixel, jacobian = problem.camera.each_point().project_with_jacobian(xyz)
    residual = problem.residual(pose).square().sum(-1)
    for some in (
        (jacobian == 0).all(-1),
        xyz[..., 2] < problem.camera.z_min,
        residual > problem.delta[:, None].square(),
    ):
        assert some.any() and not some.all()
    assert pixel.shape == (4, 3, 24, 2)


def test_cost_is_equation_11(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    length = image_errors(problem, pose).norm(dim=-1)
    delta = problem.delta[:, None]
    rho = {
        "huber": torch.where(length <= delta, length.square(), delta * (2 * length - delta)),
        "cauchy": delta**2 * (1 + (length / delta) ** 2).log(),
        "none": length.square(),
    }
    for name, expected in rho.items():
        robust = replace(problem, robust=name)
        torch.testing.assert_close(
            robust.cost(pose), 0.5 * expected.sum(-1), rtol=EXACT, atol=EXACT
        )
        torch.testing.assert_close(
            robust.linearize(pose).cost, robust.cost(pose), rtol=EXACT, atol=EXACT
        )


def test_residuals_are_rescaled_image_errors(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    errors = image_errors(problem, pose)
    shrink = (problem.delta[:, None] / errors.norm(dim=-1)).clamp(max=1).sqrt()
    torch.testing.assert_close(
        problem.residual(pose), shrink[..., None] * errors, rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(
        replace(problem, robust="none").residual(pose), errors, rtol=EXACT, atol=EXACT
    )


def test_jacobian_against_autograd(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, poses = hard
    space, problem = pose_space(poses), replace(problem, robust="none")
    zero = torch.zeros(space.tangent_dim, dtype=torch.float64)
    for index in range(3):
        one = problem[index]
        for pose in poses[:, index]:
            jacobian = one.residual_with_jacobian(pose)[1]
            expected = torch.autograd.functional.jacobian(
                lambda t, one=one, pose=pose: image_errors(one, space.retract(pose, t)), zero
            )
            torch.testing.assert_close(jacobian, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_normal_equations(robust: str, hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = replace(hard[0], robust=robust), hard[1]
    space, at = pose_space(pose), problem.linearize(pose)
    tangent = torch.zeros(4, 3, space.tangent_dim, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(problem.cost(space.retract(pose, tangent)).sum(), tangent)[0]
    torch.testing.assert_close(
        at.gradient, gradient, rtol=EXACT, atol=EXACT * float(gradient.abs().max())
    )
    rows = problem.residual_with_jacobian(pose)[1].flatten(-3, -2)
    torch.testing.assert_close(
        at.hessian, rows.mT @ rows, rtol=EXACT, atol=EXACT * float(at.hessian.abs().max())
    )


@SPACES
def test_gradient_against_finite_differences(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((2,), space=space)
    step = 1e-5
    gradient = problem.linearize(pose).gradient
    for axis in range(space.tangent_dim):
        shift = torch.zeros(2, space.tangent_dim, dtype=torch.float64)
        shift[:, axis] = step
        slope = (
            problem.cost(space.retract(pose, shift)) - problem.cost(space.retract(pose, -shift))
        ) / (2 * step)
        torch.testing.assert_close(
            gradient[:, axis],
            slope,
            rtol=FINITE_DIFFERENCE,
            atol=FINITE_DIFFERENCE * float(gradient.abs().max()),
        )


@SPACES
@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_cost_gradients_in_all_inputs(space: type[PoseSpace], robust: str) -> None:
    problem, pose = scenes.problem((2,), number=5, space=space)
    points = problem.points
    inputs = tuple(
        value.clone().requires_grad_()
        for value in (points.x3d, points.x2d, points.w2d, pose[None] + 0.1)
    )

    def cost(x3d: Tensor, x2d: Tensor, w2d: Tensor, pose: Tensor) -> Tensor:
        return PnPProblem.adaptive(
            Correspondences(x3d, x2d, w2d), problem.camera, robust=robust
        ).cost(pose)

    assert torch.autograd.gradcheck(cost, inputs)


@SPACES
@pytest.mark.parametrize("robust", ["huber", "cauchy", "none"])
def test_hessian_is_exact_where_residuals_vanish(space: type[PoseSpace], robust: str) -> None:
    problem, pose = scenes.problem((), noise=0.0, space=space)
    problem, zero = (
        replace(problem, robust=robust),
        torch.zeros(space.tangent_dim, dtype=torch.float64),
    )
    expected = torch.autograd.functional.hessian(
        lambda t: problem.cost(space.retract(pose, t)), zero
    )
    torch.testing.assert_close(
        problem.linearize(pose).hessian,
        expected,
        rtol=EXACT,
        atol=EXACT * float(expected.abs().max()),
    )


@pytest.mark.parametrize("tilt", [False, True])
def test_mirrored_problem_has_the_same_cost(tilt: bool, hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    if tilt:
        cos, sin = 0.8, 0.6
        problem = PnPProblem(
            problem.points,
            problem.camera.rotate(torch.tensor([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])),
            problem.delta,
        )
    points = problem.points
    mirrored = Correspondences(
        points.x3d * torch.tensor([1, 1, -1]),
        torch.tensor([1600, 0]) + points.x2d * torch.tensor([-1, 1]),
        points.w2d,
        points.mask,
    )
    expected = problem.cost(pose)
    torch.testing.assert_close(
        PnPProblem.adaptive(mirrored, problem.camera.flip(1600.0)).cost(
            pose_space(pose).mirror(pose)
        ),
        expected,
    )


def test_centring_and_cropping_change_no_cost(hard: tuple[PnPProblem, Tensor]) -> None:
    problem, pose = hard
    centred, mean = problem.centre()
    torch.testing.assert_close(
        centred.points.x3d.mean(-2), torch.zeros(3, 3, dtype=torch.float64), rtol=0, atol=EXACT
    )
    torch.testing.assert_close(
        centred.cost(pose_space(pose).translate_object_frame(pose, mean)),
        problem.cost(pose),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close(
        problem.crop_to_points().cost(pose), problem.cost(pose), rtol=EXACT, atol=EXACT
    )


def test_sample_dims_batch_dims_and_indexing() -> None:
    problem, pose = scenes.problem((2, 3))
    samples = pose + uniform((4, 5, 2, 3, 4), -0.3, 0.3, seeded(1))
    cost = problem.cost(samples)
    assert cost.shape == (4, 5, 2, 3)
    for row, column in ((0, 0), (1, 2)):
        torch.testing.assert_close(
            problem[row, column].cost(samples[:, :, row, column]), cost[:, :, row, column]
        )
    at = problem.linearize(samples[:, 0])
    assert at.gradient.shape == (4, 2, 3, 4) and at.hessian.shape == (4, 2, 3, 4, 4)
    assert problem.cost(pose[0, 0]).shape == (2, 3)
    assert problem[:0].cost(samples[:, :, :0]).shape == (4, 5, 0, 3)


def test_masked_points_change_nothing() -> None:
    problem, pose = scenes.problem((3,), number=12)
    points = problem.points
    rubbish = torch.tensor([torch.nan, 1e30, -5.0]).double()[:, None].expand(3, 3, 3)
    padded = (
        torch.cat((value, rubbish[..., : value.shape[-1]]), dim=1)
        for value in (points.x3d, points.x2d, points.w2d)
    )
    mask = (torch.arange(15) < 12).expand(3, -1)
    masked = PnPProblem.adaptive(Correspondences(*padded, mask), problem.camera)
    torch.testing.assert_close(masked.delta, problem.delta)
    torch.testing.assert_close(masked.cost(pose), problem.cost(pose))
    torch.testing.assert_close(masked.linearize(pose).hessian, problem.linearize(pose).hessian)
    torch.testing.assert_close(masked.centre()[1], problem.centre()[1])
    torch.testing.assert_close(masked.usable, problem.usable)
    torch.testing.assert_close(masked[1].cost(pose[1]), problem[1].cost(pose[1]))


@SPACES
def test_what_is_no_pose_costs_infinity_without_gradient(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), number=5, space=space)
    x3d = problem.points.x3d.clone().requires_grad_()
    pose[1] = torch.nan if space is YawPose else 0.0
    cost = PnPProblem(
        Correspondences(x3d, problem.points.x2d, problem.points.w2d), problem.camera, problem.delta
    ).cost(pose)
    assert cost.isinf().tolist() == [False, True, False]
    cost.sum().backward()
    assert x3d.grad is not None and (x3d.grad[1] == 0).all() and (x3d.grad[0] != 0).any()


# --- settings ---


def test_threshold_may_keep_its_gradient_from_the_image_points() -> None:
    problem, pose = scenes.problem((2,), noise=30.0)
    points = problem.points
    x2d, w2d = points.x2d.clone().requires_grad_(), points.w2d.clone().requires_grad_()
    detached, attached = (
        PnPProblem.adaptive(
            Correspondences(points.x3d, x2d, w2d), problem.camera, through_x2d=through
        )
        for through in (False, True)
    )
    torch.testing.assert_close(detached.delta, attached.delta)
    fixed = PnPProblem(Correspondences(points.x3d, x2d, points.w2d), problem.camera, problem.delta)
    expected = torch.autograd.grad(fixed.cost(pose).sum(), x2d)[0]
    torch.testing.assert_close(
        torch.autograd.grad(detached.cost(pose).sum(), x2d, retain_graph=True)[0], expected
    )
    assert not torch.allclose(torch.autograd.grad(attached.cost(pose).sum(), x2d)[0], expected)
    assert (torch.autograd.grad(detached.delta.sum(), w2d)[0] != 0).all()


def test_an_unknown_robust_kernel_is_named_with_the_remedy() -> None:
    problem, _ = scenes.problem((2,))
    with pytest.raises(
        ValueError, match=r"unknown robust kernel 'tukey'; use one of 'huber', 'cauchy', 'none'"
    ):
        replace(problem, robust="tukey")


def test_robust_kernel_survives_all_changes_of_the_problem() -> None:
    problem = PnPProblem.adaptive(
        scenes.points(scenes.poses((2,), seeded(0))), scenes.camera(), robust="cauchy"
    )
    for changed in (
        problem[0],
        problem.to(torch.float32),
        problem.centre()[0],
        problem.crop_to_points(),
        problem.detach(),
    ):
        assert changed.robust == "cauchy"


# --- what poses can be found ---


def test_points_on_a_line_leave_a_rigid_pose_open() -> None:
    problem, _ = scenes.problem((3,))
    share = uniform((3, 24, 1), -2.0, 2.0, seeded(3))
    line = share * torch.tensor([1.0, 2.0, -0.5]) + torch.tensor([0.3, -1.0, 2.0])
    x3d = torch.stack(
        (
            line[0],
            problem.points.x3d[1],
            line[2] + torch.eye(3, dtype=torch.float64)[0] * (share[2] > 1.5),
        )
    )
    for dtype in (torch.float32, torch.float64):
        given = PnPProblem(replace(problem.points, x3d=x3d), problem.camera, problem.delta).to(
            dtype
        )
        assert given.determines(YawPose).tolist() == [True, True, True]
        assert given.determines(SE3Pose).tolist() == [False, True, True]
    light = replace(problem.points, x3d=x3d, w2d=problem.points.w2d * (share <= 1.5))
    assert PnPProblem(light, problem.camera, problem.delta).determines(SE3Pose).tolist() == [
        False,
        True,
        False,
    ]


# --- inputs ---


def test_half_precision_becomes_float32() -> None:
    problem, _ = scenes.problem((2,), dtype=torch.float32)
    half = Correspondences(
        *(value.half() for value in (problem.points.x3d, problem.points.x2d, problem.points.w2d))
    )
    assert PnPProblem.adaptive(half, problem.camera).delta.dtype == torch.float32


@pytest.mark.parametrize("name", ["x2d", "w2d", "mask"])
def test_shapes_that_do_not_belong_together_are_refused(name: str) -> None:
    mask = torch.ones(2, 5, dtype=torch.bool)
    values = {
        "x3d": torch.zeros(2, 5, 3),
        "x2d": torch.zeros(2, 5, 2),
        "w2d": torch.zeros(2, 5, 2),
        "mask": mask,
    }
    values[name] = values[name][:, :4]
    with pytest.raises(ValueError, match=name):
        Correspondences(**values)


def test_one_camera_for_all_objects_or_one_for_each() -> None:
    problem, pose = scenes.problem((3,))
    each = PnPProblem(problem.points, Camera.stack([scenes.camera()] * 3), problem.delta)
    torch.testing.assert_close(each.cost(pose), problem.cost(pose))
