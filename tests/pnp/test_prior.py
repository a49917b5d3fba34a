"""A Gaussian prior on the pose: its derivatives, its limits, and what it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    EProPnP6DoF,
    PnPProblem,
    PosePrior,
    SE3Pose,
    YawPose,
    gauss_newton_step,
    levenberg_marquardt,
)
from epropnp_det.pnp._constants import DAMPING
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import BAYES_SIGMAS, EXACT, MINIMUM, SIGMAS

from . import scenes
from .scenes import SPACES, seeded, uniform


def near(pose: Tensor, reach: float, seed: int, space: type[PoseSpace]) -> Tensor:
    shape = (*pose.shape[:-1], space.tangent_dim)
    return space.retract(pose, uniform(shape, -reach, reach, seeded(seed)))


def make_prior(pose: Tensor, space: type[PoseSpace], seed: int = 3) -> PosePrior:
    """A prior with correlations, standard deviations of decimetres and tenths of a radian."""
    dim = space.tangent_dim
    root = torch.randn((*pose.shape[:-1], dim, dim), generator=seeded(seed), dtype=pose.dtype)
    return PosePrior(pose, 20 * root @ root.mT + 10 * torch.eye(dim, dtype=pose.dtype))


def unweighted(problem: PnPProblem, prior: PosePrior) -> PnPProblem:
    """The prior with points that say nothing."""
    points = problem.points
    silent = Correspondences(points.x3d, points.x2d, torch.zeros_like(points.w2d))
    return PnPProblem(silent, problem.camera, problem.delta, prior=prior)


# --- derivatives ---


@SPACES
def test_derivatives_of_tangents_against_autodiff(space: type[PoseSpace]) -> None:
    origin = scenes.poses((), seeded(0), space=space)
    pose = near(origin, 0.4, 1, space)
    offset = uniform((3,), -2.0, 2.0, seeded(2))
    zero = torch.zeros(space.tangent_dim, dtype=torch.float64)

    def reached(tangent: Tensor) -> Tensor:
        return space.difference(origin, space.retract(pose, tangent))

    def translated(tangent: Tensor) -> Tensor:
        moved = space.translate_object_frame(space.retract(pose, tangent), offset)
        return space.difference(space.translate_object_frame(pose, offset), moved)

    slope = torch.autograd.functional.jacobian(reached, zero)
    torch.testing.assert_close(
        space.difference_jacobian(origin, pose), slope, rtol=EXACT, atol=EXACT
    )
    matrix = torch.autograd.functional.jacobian(translated, zero)
    torch.testing.assert_close(
        space.translated_tangent(pose, offset), matrix, rtol=EXACT, atol=EXACT
    )


@SPACES
def test_gradient_and_hessian_of_the_prior_against_autodiff(space: type[PoseSpace]) -> None:
    mean = scenes.poses((3,), seeded(0), space=space)
    prior = replace(make_prior(mean, space), anchor=uniform((3, 3), -2.0, 2.0, seeded(5)))
    pose = near(prior.mode.expand(2, 3, -1), 0.3, 1, space)
    zero = torch.zeros(2, 3, space.tangent_dim, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(prior.cost(space.retract(pose, zero)).sum(), zero)
    at = prior.linearize(pose)
    torch.testing.assert_close(at.cost, prior.cost(pose), rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(at.gradient, gradient, rtol=EXACT, atol=EXACT)
    # At the mode the Gauss-Newton Hessian is the second derivative.
    one = prior[0]
    hessian = torch.autograd.functional.hessian(
        lambda tangent: one.cost(space.retract(one.mode, tangent)),
        torch.zeros(space.tangent_dim, dtype=torch.float64),
    )
    torch.testing.assert_close(one.linearize(one.mode).hessian, hessian, rtol=EXACT, atol=EXACT)


@SPACES
def test_the_prior_is_one_more_term_of_cost_and_normal_equations(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem(space=space)
    prior = make_prior(near(pose, 0.1, 1, space), space)
    both = replace(problem, prior=prior)
    poses = near(pose.expand(4, *pose.shape), 0.3, 2, space)
    torch.testing.assert_close(both.cost(poses), problem.cost(poses) + prior.cost(poses))
    ours = both.linearize(poses)
    separate = problem.linearize(poses).plus(prior.linearize(poses))
    for name, value in vars(separate).items():
        torch.testing.assert_close(getattr(ours, name), value)


@SPACES
def test_a_gauss_newton_step_minimises_the_quadratic_model(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem(space=space)
    problem = replace(problem, prior=make_prior(near(pose, 0.1, 1, space), space))
    at = problem.linearize(pose)
    damping = DAMPING * torch.eye(space.tangent_dim, dtype=pose.dtype)
    step = torch.linalg.solve(at.hessian + damping, -at.gradient)
    expected = space.retract(pose, step)
    torch.testing.assert_close(gauss_newton_step(problem, pose), expected, rtol=EXACT, atol=EXACT)


# --- limits ---


@SPACES
def test_exact_points_and_a_prior_at_the_true_pose_give_the_true_pose(
    space: type[PoseSpace],
) -> None:
    problem, pose = scenes.problem((8,), noise=0.0, space=space)
    problem = replace(problem, prior=make_prior(pose, space))
    estimate = levenberg_marquardt(problem, near(pose, 0.2, 1, space), 15)
    assert space.difference(pose, estimate.pose).abs().max() < MINIMUM
    assert estimate.valid.all()


@SPACES
def test_without_weights_the_posterior_is_the_prior(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    prior = make_prior(pose, space)
    problem = unweighted(problem, prior)
    layer = scenes.layer(space, init=None, mc_samples=4096)
    estimate, samples = layer(problem, near(pose, 0.1, 1, space), seeded(2))
    assert estimate.valid.all() and samples.valid.all() and not problem.usable.any()
    assert space.difference(pose, estimate.pose).abs().max() < MINIMUM
    torch.testing.assert_close(estimate.hessian, prior.precision, rtol=MINIMUM, atol=MINIMUM)
    error = space.difference(pose, samples.mean)
    deviation = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (error.abs() < SIGMAS * deviation / samples.effective_sample_size[:, None].sqrt()).all()


@SPACES
def test_the_start_is_the_mode_of_the_prior(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    anchor = uniform((3, 3), -2.0, 2.0, seeded(5))
    prior = replace(make_prior(pose, space), anchor=anchor)
    estimate = scenes.layer(space, init=None, lm_iterations=0).solve(unweighted(problem, prior))
    torch.testing.assert_close(
        space.translate_object_frame(estimate.pose, anchor), pose, rtol=EXACT, atol=EXACT
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@SPACES
def test_a_prior_without_precision_changes_nothing(
    space: type[PoseSpace], dtype: torch.dtype
) -> None:
    """Bit for bit in cost and normal equations; solutions by another path of the code agree."""
    problem, pose = scenes.problem((4,), dtype=dtype, space=space)
    elsewhere = scenes.poses((4,), seeded(9), dtype, space)
    dim = space.tangent_dim
    flat = replace(problem, prior=PosePrior(elsewhere, torch.zeros(4, dim, dim, dtype=dtype)))
    assert torch.equal(flat.cost(pose), problem.cost(pose))
    for name in ("cost", "gradient", "hessian"):
        assert torch.equal(
            getattr(flat.linearize(pose), name), getattr(problem.linearize(pose), name)
        )
    layer = scenes.layer(space, init=None)
    found = layer.solve(flat, pose)
    expected = layer.solve(problem, pose)
    reach = (
        space.difference(expected.pose, found.pose)
        / expected.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    )
    assert reach.abs().max() < BAYES_SIGMAS
    assert torch.equal(found.valid, expected.valid)


@SPACES
def test_a_prior_of_great_precision_is_the_result(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((4,), space=space)
    mean = near(pose, 0.1, 1, space)
    sure = PosePrior.from_covariance(mean, 1e-14 * torch.eye(space.tangent_dim).double())
    found = scenes.layer(space, init=None).solve(replace(problem, prior=sure)).pose
    assert space.difference(mean, found).abs().max() < MINIMUM


# --- invariance ---


@SPACES
def test_the_object_frame_does_not_matter(space: type[PoseSpace]) -> None:
    """Costs are those of the same prior, and solutions those of the moved frame."""
    problem, pose = scenes.problem((3,), space=space)
    prior = make_prior(near(pose, 0.1, 1, space), space)
    problem = replace(problem, prior=prior)
    offset = uniform((3, 3), -3.0, 3.0, seeded(4))
    moved_points = problem.points.replace_unchecked(x3d=problem.points.x3d - offset[:, None])
    moved = replace(problem, points=moved_points, prior=prior.translate_object_frame(offset))
    poses = near(pose.expand(4, *pose.shape), 0.3, 2, space)
    there = space.translate_object_frame(poses, offset)
    torch.testing.assert_close(moved.cost(there), problem.cost(poses), rtol=EXACT, atol=EXACT)
    layer = scenes.layer(space, init=None, lm_iterations=30)
    found = space.translate_object_frame(layer.solve(problem).pose, offset)
    assert space.difference(layer.solve(moved).pose, found).abs().max() < MINIMUM


def test_axes_of_the_object_do_not_matter() -> None:
    """Tangents have the axes of the camera, so the precision stays as it is."""
    problem, pose = scenes.problem((3,), space=SE3Pose)
    mean = near(pose, 0.1, 1, SE3Pose)
    prior = make_prior(mean, SE3Pose)
    turn = SE3Pose.random_rotation((3,), pose, seeded(6))
    matrix = SE3Pose.rotation(turn)

    def turned(poses: Tensor) -> Tensor:
        """Poses of the frame with the axes R: its points are R^T X."""
        import pyquaternion

        products = [
            (pyquaternion.Quaternion(a.numpy()) * pyquaternion.Quaternion(b.numpy())).elements
            for a, b in zip(poses[:, 3:], turn[:, 3:])
        ]
        return torch.cat((poses[:, :3], torch.tensor(products)), dim=-1)

    points = problem.points.replace_unchecked(x3d=problem.points.x3d @ matrix)
    other = replace(problem, points=points, prior=PosePrior(turned(mean), prior.precision))
    problem = replace(problem, prior=prior)
    torch.testing.assert_close(other.cost(turned(pose)), problem.cost(pose), rtol=EXACT, atol=EXACT)
    layer = EProPnP6DoF(init=None, lm_iterations=30)
    found = layer.solve(problem)
    same = layer.solve(other)
    assert SE3Pose.difference(turned(found.pose), same.pose).abs().max() < MINIMUM
    torch.testing.assert_close(same.hessian, found.hessian, rtol=MINIMUM, atol=MINIMUM)


@SPACES
def test_covariances_of_estimates_become_precisions(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), space=space)
    estimate = scenes.layer(space).solve(problem, pose, seeded(0))
    expected = estimate.hessian + DAMPING * torch.eye(space.tangent_dim, dtype=pose.dtype)
    by_tangent = PosePrior.from_covariance(estimate.pose, estimate.covariance)
    vector = estimate.covariance_of("rotation_vector")
    by_vector = PosePrior.from_covariance(estimate.pose, vector, "rotation_vector")
    for prior in (by_tangent, by_vector):
        assert prior.proper.all()
        torch.testing.assert_close(prior.precision, expected, rtol=EXACT, atol=EXACT)


# --- what it is for ---


@SPACES
def test_posterior_of_some_points_is_the_prior_of_the_others(space: type[PoseSpace]) -> None:
    """Bayes' rule in two steps or in one, to first order."""
    problem, pose = scenes.problem((8,), number=80, noise=0.5, weight=80, space=space)
    problem = replace(problem, robust="none")

    def of(part: slice) -> PnPProblem:
        points = problem.points
        some = Correspondences(points.x3d[:, part], points.x2d[:, part], points.w2d[:, part])
        return PnPProblem(some, problem.camera, problem.delta, "none")

    layer = scenes.layer(space, init=None)
    first = layer.solve(of(slice(40)), pose)
    rest = replace(of(slice(40, None)), prior=PosePrior(first.pose, first.hessian))
    in_two_steps = layer.solve(rest)
    at_once = layer.solve(problem, pose)
    deviation = at_once.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    reach = space.difference(at_once.pose, in_two_steps.pose) / deviation
    assert reach.abs().max() < BAYES_SIGMAS


@SPACES
def test_a_prior_resists_outliers(space: type[PoseSpace]) -> None:
    """Three points in ten are anywhere in the image; a start at the prior finds the pose of the
    others.
    """
    pose = scenes.poses((16,), seeded(0), space=space)
    good = scenes.points(pose, 100, noise=0.0, weight=100.0)
    x2d = good.x2d.clone()
    x2d[:, :30] = uniform((16, 30, 2), 0.0, 900.0, seeded(1))
    points = Correspondences(good.x3d, x2d, torch.ones_like(x2d))
    prior = PosePrior.from_covariance(
        near(pose, 0.05, 2, space), 0.05**2 * torch.eye(space.tangent_dim).double()
    )
    delta = torch.full((16,), 3.0, dtype=torch.float64)
    problem = PnPProblem(points, scenes.camera(), delta, "cauchy", prior)
    estimate = scenes.layer(space, init=None, lm_iterations=30).solve(problem)
    error = space.difference(pose, estimate.pose)
    deviation = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (error.abs() < SIGMAS * deviation).all()


def test_sampling_is_differentiable_with_a_prior() -> None:
    problem, pose = scenes.problem((2,))
    w2d = problem.points.w2d.clone().requires_grad_()
    points = Correspondences(problem.points.x3d, problem.points.x2d, w2d)
    with_prior = PnPProblem.adaptive(points, problem.camera, prior=make_prior(pose, YawPose))
    layer = scenes.layer(YawPose, mc_samples=64)
    samples = layer.sample(with_prior, generator=seeded(0))
    (gradient,) = torch.autograd.grad(samples.log_normalizer.sum(), w2d)
    assert samples.valid.all() and gradient.isfinite().all() and gradient.abs().max() > 0
    modes = layer.modes(with_prior, number=2, generator=seeded(0))
    assert modes.valid[0].all()


# --- broken and wrong ---


@pytest.mark.parametrize("spoil", ["pose", "precision", "anchor"])
@SPACES
def test_a_broken_prior_is_flagged_and_the_others_are_not_affected(
    space: type[PoseSpace], spoil: str
) -> None:
    problem, pose = scenes.problem((3,), space=space)
    prior = make_prior(pose, space)
    values = {name: getattr(prior, name).clone() for name in ("pose", "precision", "anchor")}
    values[spoil][1] = torch.nan
    layer = scenes.layer(space, init=None)
    found = layer.solve(replace(problem, prior=PosePrior(**values)), pose)
    expected = layer.solve(replace(problem, prior=prior), pose)
    assert found.valid.tolist() == [True, False, True]
    for index in (0, 2):
        torch.testing.assert_close(found.pose[index], expected.pose[index])


def test_a_covariance_without_inverse_breaks_the_prior() -> None:
    covariance = torch.diag(torch.tensor([1.0, 1.0, 0.0, 1.0]))
    assert not PosePrior.from_covariance(torch.zeros(4), covariance).intact


def test_half_a_turn_from_the_prior_is_finite() -> None:
    pose = torch.tensor([0.0, 0, 5, 1, 0, 0, 0])
    prior = PosePrior(pose, torch.eye(6))
    opposite = torch.tensor([0.0, 0, 5, 0, 1, 0, 0])
    assert prior.cost(opposite).isfinite() and prior.cost(opposite) > 1
    assert all(value.isfinite().all() for value in vars(prior.linearize(opposite)).values())
    flat = PosePrior(pose, torch.zeros(6, 6))
    assert flat.cost(opposite) == 0


def test_mistakes_are_named() -> None:
    pose = torch.zeros(4)
    with pytest.raises(ValueError, match=r"a pose of 4 numbers has a precision \(\.\.\., 4, 4\)"):
        PosePrior(pose, torch.eye(6))
    with pytest.raises(ValueError, match="do not broadcast"):
        PosePrior(pose.expand(2, 4), torch.eye(4).expand(3, 4, 4))
    with pytest.raises(ValueError, match="'tangent' or 'rotation_vector'"):
        PosePrior.from_covariance(pose, torch.eye(4), "euler")
    problem, _ = scenes.problem((3,))
    with pytest.raises(ValueError, match="prior has batch dims"):
        replace(problem, prior=PosePrior(pose.expand(2, 4), torch.eye(4)))
