"""Laws of the problem for any problem: what must not change the cost, the solution or the loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    PoseSamples,
    SE3Pose,
    YawPose,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, MINIMUM

from . import scenes
from .scenes import seeded, uniform

many = settings(derandomize=True, deadline=None, max_examples=30)


@dataclass(frozen=True)
class Case:
    """A problem (B,), its true poses, and samples (6, B, D) around them."""

    space: type[PoseSpace]
    problem: PnPProblem
    pose: Tensor
    samples: Tensor


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Problems of any size, seen by cameras of any tilt, with any noise, weights and robust
    kernel.
    """
    space, seed = draw(st.sampled_from([YawPose, SE3Pose])), draw(st.integers(0, 10**6))
    batch, number = draw(st.integers(1, 4)), draw(st.integers(6, 40))
    view = scenes.camera().rotate(SE3Pose.rotation(tilt(draw(st.floats(-0.2, 0.2)))))
    pose = scenes.poses((batch,), seeded(seed), space=space)
    points = scenes.points(pose, number, draw(st.floats(0, 8)), draw(st.floats(1, 50)), view, seed)
    robust = draw(st.sampled_from(["huber", "cauchy", "none"]))
    tangent = uniform((6, batch, space.tangent_dim), -0.5, 0.5, seeded(seed))
    return Case(
        space, PnPProblem.adaptive(points, view, robust=robust), pose, space.retract(pose, tangent)
    )


def tilt(half: float) -> Tensor:
    return torch.tensor([0, 0, 0, 1 - half * half, half, 0, 0.3 * half], dtype=torch.float64)


def again(case: Case, points: Correspondences, camera: Camera | None = None) -> PnPProblem:
    return PnPProblem.adaptive(points, camera or case.problem.camera, robust=case.problem.robust)


def assert_same(
    first: PnPProblem, first_pose: Tensor, second: PnPProblem, second_pose: Tensor
) -> None:
    """The same costs, and the same loss of the samples given."""
    costs = first.cost(first_pose), second.cost(second_pose)
    torch.testing.assert_close(costs[1], costs[0], rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(second.delta, first.delta, rtol=EXACT, atol=EXACT)
    valid = torch.ones(first.shape, dtype=torch.bool)
    losses = (
        monte_carlo_pose_loss(PoseSamples(first_pose, -cost, valid), cost[0]) for cost in costs
    )
    torch.testing.assert_close(*losses, rtol=EXACT, atol=EXACT * (1 + float(costs[0].max())))


def assert_same_solution(
    case: Case, expected: PnPProblem, actual: PnPProblem, start: Tensor, back: Tensor | None = None
) -> None:
    """The solver ends at the same place; `back` moves a pose of the second problem to the origin of
    the first.
    """
    layer = scenes.layer(case.space, init=None)
    first, second = layer.solve(expected, case.pose), layer.solve(actual, start)
    pose = second.pose if back is None else case.space.translate_object_frame(second.pose, back)
    assert case.space.difference(first.pose, pose).abs().max() < MINIMUM
    assert torch.equal(first.valid, second.valid)


@many
@given(case=cases(), seed=st.integers(0, 1000))
def test_order_of_points_does_not_matter(case: Case, seed: int) -> None:
    points = case.problem.points
    order = torch.randperm(points.x3d.shape[-2], generator=seeded(seed))
    permuted = again(
        case, Correspondences(points.x3d[:, order], points.x2d[:, order], points.w2d[:, order])
    )
    assert_same(case.problem, case.samples, permuted, case.samples)
    assert_same_solution(case, case.problem, permuted, case.pose)


@many
@given(case=cases(), offset=st.lists(st.floats(-10, 10), min_size=3, max_size=3))
def test_origin_of_the_object_does_not_matter(case: Case, offset: list[float]) -> None:
    points, shift = case.problem.points, torch.tensor(offset, dtype=torch.float64)
    moved = again(case, replace(points, x3d=points.x3d + shift))
    assert_same(
        case.problem, case.samples, moved, case.space.translate_object_frame(case.samples, -shift)
    )
    assert_same_solution(
        case, case.problem, moved, case.space.translate_object_frame(case.pose, -shift), shift
    )


@many
@given(case=cases(), factor=st.floats(0.1, 10))
def test_unit_of_pixels_does_not_matter(case: Case, factor: float) -> None:
    points = case.problem.points
    scaled = replace(points, x2d=points.x2d * factor, w2d=points.w2d / factor)
    other = again(case, scaled, case.problem.camera.scale(factor, factor))
    assert_same(case.problem, case.samples, other, case.samples)
    assert_same_solution(case, case.problem, other, case.pose)


@many
@given(case=cases(), width=st.floats(100, 3000))
def test_the_mirrored_world_is_the_same_world(case: Case, width: float) -> None:
    points, space = case.problem.points, case.space
    flipped = torch.tensor([width, 0.0], dtype=torch.float64) + points.x2d * torch.tensor([-1, 1])
    mirrored = again(
        case,
        Correspondences(points.x3d * torch.tensor([1, 1, -1]), flipped, points.w2d),
        case.problem.camera.flip(width),
    )
    assert_same(case.problem, case.samples, mirrored, space.mirror(case.samples))
    layer = scenes.layer(space, init=None)
    found = space.mirror(layer.solve(mirrored, space.mirror(case.pose)).pose)
    assert space.difference(layer.solve(case.problem, case.pose).pose, found).abs().max() < MINIMUM


@many
@given(case=cases())
def test_a_batch_is_a_loop(case: Case) -> None:
    layer = scenes.layer(case.space, init=None)
    together, cost, at = (
        layer.solve(case.problem, case.pose),
        case.problem.cost(case.samples),
        case.problem.linearize(case.pose),
    )
    for index in range(len(case.pose)):
        one, samples = case.problem[index], case.samples[:, index]
        torch.testing.assert_close(one.cost(samples), cost[:, index], rtol=EXACT, atol=EXACT)
        torch.testing.assert_close(
            one.linearize(case.pose[index]).hessian, at.hessian[index], rtol=EXACT, atol=EXACT
        )
        alone = layer.solve(one, case.pose[index])
        assert case.space.difference(together.pose[index], alone.pose).abs().max() < MINIMUM


@many
@given(case=cases(), dims=st.lists(st.integers(0, 3), max_size=2))
def test_a_batch_may_be_empty(case: Case, dims: list[int]) -> None:
    shape = (*dims, 0)
    empty = case.problem[:0].map(lambda tensor: tensor.reshape(*shape, *tensor.shape[1:]))
    inputs = [
        getattr(empty.points, name).clone().requires_grad_() for name in ("x3d", "x2d", "w2d")
    ]
    problem = PnPProblem.adaptive(Correspondences(*inputs), empty.camera)
    estimate, samples = scenes.layer(case.space, mc_samples=8)(problem, generator=seeded(0))
    loss = monte_carlo_pose_loss(samples, problem.cost(estimate.pose))
    gradients = torch.autograd.grad(loss.sum(), inputs)
    assert estimate.pose.shape == (*shape, case.space.dim) and samples.log_weights.shape == (
        8,
        *shape,
    )
    assert loss.shape == shape and all(
        gradient.shape == value.shape for gradient, value in zip(gradients, inputs)
    )


@many
@given(
    case=cases(),
    junk=st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, 1e30, -3.0]),
    seed=st.integers(0, 1000),
)
def test_masked_points_change_nothing_whatever_they_hold(
    case: Case, junk: float, seed: int
) -> None:
    points, number = case.problem.points, case.problem.points.x3d.shape[-2]
    order = torch.randperm(number + 3, generator=seeded(seed))

    def padded(values: Tensor) -> Tensor:
        rubbish = torch.full((*values.shape[:-2], 3, values.shape[-1]), junk, dtype=torch.float64)
        return torch.cat((values, rubbish), dim=-2)[..., order, :]

    mask = (order < number).expand(*case.problem.shape, -1)
    masked = again(
        case, Correspondences(padded(points.x3d), padded(points.x2d), padded(points.w2d), mask)
    )
    assert_same(case.problem, case.samples, masked, case.samples)
    assert_same_solution(case, case.problem, masked, case.pose)
