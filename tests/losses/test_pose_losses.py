"""Pose losses of 4DoF and 6DoF poses: recorded numbers of the released programs, and laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from epropnp_det.losses.pose_losses import (
    MonteCarloPoseLoss,
    ReprojectionLoss,
    derivative_losses,
    estimate_from_gt,
    pose_figures,
)
from epropnp_det.pnp import (
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    SE3Pose,
    YawPose,
    gauss_newton_step,
    pose_distance,
)
from epropnp_det.pnp.losses.pose_distance import orientation_distance, position_distance
from epropnp_det.pnp.spaces import pose_space
from tests.pnp import scenes
from tests.pnp.scenes import SPACES, seeded, uniform
from tests.tolerances import COMPONENT, EXACT, FINITE_DIFFERENCE


def close(a: Tensor, b: Tensor, tolerance: float = COMPONENT) -> None:
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def samples_of(log_weights: Tensor, valid: Tensor) -> PoseSamples:
    return PoseSamples(torch.zeros(*log_weights.shape, 4), log_weights, valid)


def solved(space, seed: int = 0) -> tuple[PnPProblem, PoseEstimate, Tensor]:
    """Problems (3,), solutions a few decimetres off, and other true poses."""
    problem, pose = scenes.problem(space=space, seed=seed)
    near = space.retract(pose, uniform((3, space.tangent_dim), -0.1, 0.1, seeded(seed + 1)))
    at = problem.linearize(near)
    estimate = PoseEstimate(near, at.cost, at.hessian, torch.ones(3, dtype=torch.bool))
    far = space.retract(pose, uniform((3, space.tangent_dim), -0.4, 0.4, seeded(seed + 2)))
    return problem, estimate, far


def test_recorded_monte_carlo_loss(components):
    recorded = components["monte_carlo_pose_loss"]
    loss = MonteCarloPoseLoss(recorded["loss_weight"], recorded["momentum"]).train()
    weights = recorded["logweights"]
    value = loss(
        samples_of(weights, torch.ones(weights.shape[1], dtype=torch.bool)),
        recorded["cost_target"],
        recorded["norm_factor"],
        recorded["weight"],
        recorded["avg_factor"],
    )
    close(value, recorded["loss"])
    close(loss.scale, recorded["norm_factor_after"])


def test_recorded_orientation_loss(components):
    recorded = components["cosine_angle"]
    pose, target = (
        torch.nn.functional.pad(recorded[name].reshape(-1, 1), (3, 0))
        for name in ("pred", "target")
    )
    close(orientation_distance(pose, target).mean(), recorded["loss"])


def test_recorded_position_loss(components):
    recorded = components["smooth_l1_on_norm"]
    pose = torch.nn.functional.pad(recorded["norm"].reshape(-1, 1), (0, 3))
    loss = position_distance(pose, torch.zeros_like(pose), recorded["beta"])
    close(loss.mean(), recorded["loss"])


def test_position_distance_has_a_gradient_at_zero():
    pose = torch.zeros(1, 4, requires_grad=True)
    position_distance(pose, torch.zeros(1, 4)).sum().backward()
    assert torch.equal(pose.grad, torch.zeros(1, 4))


def test_the_divergence_is_divided_by_the_updated_running_scale():
    loss = MonteCarloPoseLoss(loss_weight=0.5, momentum=0.1).double().train()
    samples = samples_of(torch.randn(4, 3, generator=seeded(0)).double(), torch.ones(3).bool())
    cost = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    weight = torch.tensor([1.0, 0.5, 2.0], dtype=torch.float64)
    value = loss(samples, cost, torch.tensor(5.0, dtype=torch.float64), weight, 4.0)
    divergence = samples.log_weights.logsumexp(0) + cost
    scale = 0.9 * 1 + 0.1 * 5
    close(value, 0.5 * (divergence * weight).sum() / (4.0 * scale), EXACT)


def test_reprojection_loss_needs_the_true_pose_alone():
    samples = samples_of(torch.full((4, 3), torch.nan), torch.zeros(3, dtype=torch.bool))
    cost = torch.tensor([2.0, torch.inf, 3.0])
    weight = torch.tensor([1.0, 1.0, 0.5])
    value = ReprojectionLoss(loss_weight=0.5).eval()(samples, cost, torch.tensor(1.0), weight, 4.0)
    close(value, torch.tensor(0.5 * (2.0 + 0.5 * 3.0) / 4.0))


@SPACES
def test_orientation_distance_is_one_minus_cos_of_the_angle(space):
    one = scenes.poses((50,), seeded(0), space=space)
    other = scenes.poses((50,), seeded(1), space=space)
    between = space.rotation(one).mT @ space.rotation(other)
    angle = torch.from_numpy(Rotation.from_matrix(between.numpy()).magnitude())
    close(orientation_distance(one, other), 1 - angle.cos(), EXACT)


def test_orientation_distance_of_quaternions():
    one, other = (scenes.poses((50,), seeded(seed), space=SE3Pose) for seed in (0, 1))
    product = (one[:, 3:] * other[:, 3:]).sum(-1)
    close(orientation_distance(one, other), 2 * (1 - product.square()), EXACT)
    opposite = torch.cat((other[:, :3], -other[:, 3:]), -1)
    close(orientation_distance(one, opposite), orientation_distance(one, other), EXACT)


@SPACES
def test_derivative_losses_are_the_distance_of_a_gauss_newton_step(space):
    problem, estimate, gt_pose = solved(space)
    position, orientation = derivative_losses(problem, estimate, gt_pose, beta=0.05)
    step = gauss_newton_step(problem, estimate.pose)
    close(position + orientation, pose_distance(step, gt_pose, 0.05), EXACT)
    norm = (step - gt_pose)[:, :3].norm(dim=-1)
    assert (norm > 0.05).all()
    close(position, norm - 0.025, FINITE_DIFFERENCE)  # the root's floor of 1e-12


@SPACES
@pytest.mark.parametrize("name", ["x3d", "x2d", "w2d"])
@pytest.mark.parametrize("term", ["position", "orientation"])
def test_gradients_of_derivative_losses_are_central_differences(space, name: str, term: str):
    problem, estimate, gt_pose = solved(space)
    value = getattr(problem.points, name)

    def loss(moved: Tensor) -> Tensor:
        points = replace(problem.points, **{name: moved})
        losses = derivative_losses(replace(problem, points=points), estimate, gt_pose, beta=0.05)
        return dict(zip(("position", "orientation"), losses))[term].sum()

    direction = uniform(value.shape, -1.0, 1.0, seeded(7)) * value.abs().mean()
    width = 6e-6
    difference = (loss(value + width * direction) - loss(value - width * direction)) / (2 * width)
    leaf = value.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(leaf), leaf)
    slope = (gradient * direction).sum()
    assert slope.abs() > 1e-3
    close(slope, difference, FINITE_DIFFERENCE)


@SPACES
def test_a_broken_object_has_no_derivative_loss_and_leaves_its_neighbours_alone(space):
    problem, estimate, gt_pose = solved(space)
    good = derivative_losses(problem, estimate, gt_pose)
    valid = torch.tensor([True, False, True])
    pose = torch.where(valid[:, None], estimate.pose, torch.nan)
    leaf = problem.points.x3d.clone().requires_grad_()
    points = replace(problem.points, x3d=leaf)
    losses = derivative_losses(
        replace(problem, points=points), replace(estimate, pose=pose, valid=valid), gt_pose
    )
    for value, expected in zip(losses, good):
        assert torch.equal(value[valid], expected[valid])
        assert value[~valid].abs().max() < EXACT
    sum(value.sum() for value in losses).backward()
    assert leaf.grad.isfinite().all() and not leaf.grad[1].any()
    assert leaf.grad[0].any() and leaf.grad[2].any()


@SPACES
def test_the_estimate_from_the_ground_truth_starts_at_the_better_pose(space):
    """Without iterations the start itself comes back: the true pose where it costs less, or where
    there is no other.
    """
    problem, estimate, _ = solved(space)
    _, gt_pose = scenes.problem(space=space)
    gt_pose = torch.cat((gt_pose[:1], space.retract(gt_pose, 2.0 * tangents(space))[1:]))
    estimate = replace(estimate, valid=torch.tensor([True, True, False]))
    solver = scenes.layer(space, init=None, lm_iterations=0)
    found = estimate_from_gt(solver, problem, gt_pose, estimate)
    cheaper = problem.cost(gt_pose) < estimate.cost
    assert cheaper.tolist()[:2] == [True, False]
    close(found.pose[0], gt_pose[0], EXACT)
    close(found.pose[1], estimate.pose[1], EXACT)
    close(found.pose[2], gt_pose[2], EXACT)


def tangents(space) -> Tensor:
    return uniform((3, space.tangent_dim), 0.5, 1.0, seeded(3))


def test_both_spaces_have_one_distance():
    """A 6DoF pose that turns about the vertical axis alone has the distance of the yaw pose."""
    one, other = (scenes.poses((20,), seeded(seed)) for seed in (0, 1))
    close(pose_distance(upright(one), upright(other)), pose_distance(one, other), EXACT)


def upright(pose: Tensor) -> Tensor:
    assert pose_space(pose) is YawPose
    half = pose[:, 3] / 2
    zero = torch.zeros_like(half)
    return torch.cat((pose[:, :3], torch.stack((half.cos(), zero, half.sin(), zero), -1)), -1)


def test_figures_of_a_batch_leave_broken_objects_out_of_the_mean():
    """Equal weights have the size of the number of samples, a single weight has 1."""
    equal = torch.zeros(8)
    single = torch.full((8,), -torch.inf).index_fill(0, torch.tensor([3]), 0.0)
    broken = torch.full((8,), torch.nan)
    samples = samples_of(
        torch.stack((equal, single, broken, equal), 1), torch.tensor([True, True, False, True])
    )
    found = pose_figures(torch.tensor([True, True, True, False]), samples)
    assert found == dict(invalid_objects=1, valid_objects=0.75, effective_sample_size=4.5)
    assert pose_figures(torch.ones(0, dtype=torch.bool)) == dict(invalid_objects=0, valid_objects=1)
