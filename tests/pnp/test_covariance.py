"""The covariance as translation and rotation vector: its coordinates, its frames, and how often
regions of it contain the true pose.
"""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from epropnp_det.pnp import Correspondences, EProPnP6DoF, PnPProblem, SE3Pose, YawPose
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, MINIMUM, SIGMAS, STANDARD_ERRORS

from . import scenes
from .scenes import SPACES, seeded, uniform


def cross_matrix(vector: Tensor) -> Tensor:
    """[v]x (..., 3, 3): its exponential is the rotation by the rotation vector."""
    axes = torch.eye(3, dtype=vector.dtype).expand(*vector.shape, 3)
    return torch.linalg.cross(vector[..., None, :].expand_as(axes), axes).mT


def solved(space: type[PoseSpace], number: int = 4) -> tuple[PnPProblem, Tensor]:
    return scenes.problem((number,), number=12, noise=1.0, space=space)


@SPACES
def test_displacement_is_the_motion_from_one_pose_to_the_other(space: type[PoseSpace]) -> None:
    first = scenes.poses((50,), seeded(0), space=space)
    second = scenes.poses((50,), seeded(1), space=space)
    translation, turn = space.displacement(first, second).split(3, dim=-1)
    torch.testing.assert_close(first[:, :3] + translation, second[:, :3], rtol=0, atol=EXACT)
    moved = torch.linalg.matrix_exp(cross_matrix(turn)) @ space.rotation(first)
    torch.testing.assert_close(moved, space.rotation(second), rtol=0, atol=EXACT)
    assert (turn.norm(dim=-1) <= torch.pi + EXACT).all()
    assert (space.displacement(first, first).abs() < EXACT).all()


@SPACES
def test_derivative_of_the_displacement_is_that_of_the_covariance(space: type[PoseSpace]) -> None:
    """By autodiff at the estimate; and its pseudo-inverse is the derivative of the tangent."""
    problem, pose = solved(space, 1)
    estimate = scenes.layer(space).solve(problem, pose, seeded(0))
    zero = torch.zeros(space.tangent_dim, dtype=torch.float64)
    chart = torch.func.jacrev(
        lambda tangent: space.displacement(
            estimate.pose[0], space.retract(estimate.pose[0], tangent)
        )
    )(zero)
    found = estimate.covariance_of("rotation_vector")[0]
    expected = chart @ estimate.covariance[0] @ chart.T
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=0)
    back = torch.linalg.pinv(chart)
    torch.testing.assert_close(back @ found @ back.T, estimate.covariance[0], rtol=EXACT, atol=0)


def test_rotation_vectors_turn_about_the_axes_of_the_camera() -> None:
    """The derivative of exp([r]x) R in r, solved for the tangent of the quaternion."""
    pose = scenes.poses((), seeded(0), space=SE3Pose)
    zero = torch.zeros(3, dtype=torch.float64)

    def by_vector(turn: Tensor) -> Tensor:
        return (torch.linalg.matrix_exp(cross_matrix(turn)) @ SE3Pose.rotation(pose)).flatten()

    def by_tangent(tangent: Tensor) -> Tensor:
        return SE3Pose.rotation(SE3Pose.retract(pose, torch.cat((zero, tangent)))).flatten()

    vector = torch.autograd.functional.jacobian(by_vector, zero)
    tangent = torch.autograd.functional.jacobian(by_tangent, zero)
    chart = torch.linalg.lstsq(vector, tangent).solution
    torch.testing.assert_close(chart, SE3Pose.axes(pose).T, rtol=0, atol=EXACT)


def test_covariance_in_the_object_frame_does_not_depend_on_the_camera_frame() -> None:
    """A turned camera frame, with the camera matrix to it, leaves all projections as they are."""
    problem, pose = solved(SE3Pose)
    turn = SE3Pose.rotation(SE3Pose.random_rotation((4,), pose, seeded(3)))
    camera = problem.camera.expand(4)
    camera = camera.replace_unchecked(matrix=camera.matrix @ turn.mT)
    turned = PnPProblem(problem.points, camera, problem.delta)
    layer = EProPnP6DoF(lm_iterations=30)
    first = layer.solve(problem, pose)
    second = layer.solve(turned, generator=seeded(0))
    in_object = [one.covariance_of("rotation_vector", frame="object") for one in (first, second)]
    size = in_object[0].diagonal(dim1=-2, dim2=-1).sqrt()
    share = (in_object[1] - in_object[0]) / (size[..., None] * size[..., None, :])
    assert share.abs().max() < MINIMUM
    in_camera = [one.covariance_of("rotation_vector", frame="camera") for one in (first, second)]
    both = torch.block_diag(turn[0], turn[0])
    expected = both @ in_camera[0][0] @ both.T
    atol = MINIMUM * float(expected.abs().max())
    torch.testing.assert_close(in_camera[1][0], expected, rtol=0, atol=atol)


def test_autocast_changes_no_digit() -> None:
    problem, pose = solved(SE3Pose)
    estimate = EProPnP6DoF().solve(problem.to(torch.float32), generator=seeded(0))
    outside = estimate.covariance_of("rotation_vector", frame="object")
    motion = SE3Pose.displacement(estimate.pose, pose.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = estimate.covariance_of("rotation_vector", frame="object")
        assert torch.equal(SE3Pose.displacement(estimate.pose, pose.float()), motion)
    assert torch.equal(inside, outside)


@pytest.mark.parametrize("noise", [1.0, 5.0])
def test_regions_contain_the_true_pose_as_often_as_they_say(noise: float) -> None:
    """2000 poses of 24 points each whose weights are one over the noise: the Laplace approximation
    of the posterior, of all six coordinates and of each alone.
    """
    shape = (2000,)
    generator = seeded(11)
    pose = scenes.poses(shape, generator, space=SE3Pose)
    x3d = uniform((*shape, 24, 3), -1.0, 1.0, generator)
    view = scenes.camera()
    x2d = view.project(SE3Pose.transform(pose, x3d))
    x2d = x2d + noise * torch.randn(x2d.shape, generator=generator, dtype=torch.float64)
    points = Correspondences(x3d, x2d, torch.full_like(x2d, 1 / noise))
    problem = PnPProblem.adaptive(points, view, robust="none")
    estimate = EProPnP6DoF().solve(problem, generator=seeded(0))
    error = SE3Pose.displacement(estimate.pose, pose)
    covariance = estimate.covariance_of("rotation_vector")
    squared = (error * torch.linalg.solve(covariance, error)).sum(-1)
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    for level in (0.5, 0.68, 0.9, 0.95):
        deviation = STANDARD_ERRORS * (level * (1 - level) / 2000) ** 0.5
        inside = (squared < chi2.ppf(level, 6)).double().mean()
        assert abs(inside - level) < deviation
        alone = (error.square() / variance < chi2.ppf(level, 1)).double().mean(0)
        assert ((alone - level).abs() < deviation).all()


def test_samples_have_the_covariance_of_a_narrow_posterior() -> None:
    problem, pose = scenes.problem((), number=48, weight=400.0, noise=0.5, space=SE3Pose)
    layer = EProPnP6DoF(mc_samples=8192)
    estimate = layer.solve(problem, pose, seeded(0))
    samples = layer.sample(problem, estimate, seeded(1))
    weighted = samples.weights[:, None] * samples.displacements
    found = weighted.detach().T @ samples.displacements
    size = estimate.covariance_of("rotation_vector").diagonal().sqrt()
    error = (found - estimate.covariance_of("rotation_vector")) / (size[:, None] * size)
    # A variance from n samples of a Gaussian has the relative standard error (2 / n)^(1/2).
    assert error.abs().max() < SIGMAS * (2 / samples.effective_sample_size).sqrt()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("euler",), "'euler'.*'rotation_vector'"),
        (("rotation_vector", "world"), "'world'.*'camera'"),
        (("tangent", "object"), "tangent"),
    ],
)
def test_other_names_are_refused(arguments: tuple[str, ...], message: str) -> None:
    problem, pose = solved(YawPose)
    estimate = scenes.layer(YawPose).solve(problem, pose, seeded(0))
    with pytest.raises(ValueError, match=message):
        estimate.covariance_of(*arguments)


@SPACES
def test_coordinates_of_the_tangent_are_the_covariance(space: type[PoseSpace]) -> None:
    problem, pose = solved(space)
    estimate = scenes.layer(space).solve(problem, pose, seeded(0))
    assert torch.equal(estimate.covariance_of("tangent"), estimate.covariance)
