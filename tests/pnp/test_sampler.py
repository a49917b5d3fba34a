from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    SE3Pose,
    levenberg_marquardt,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp._records import Record
from epropnp_det.pnp.amis import amis
from epropnp_det.pnp.proposals.pose_proposal import PoseProposal
from epropnp_det.pnp.reference_normalizers import QuadraticProblem, grid_log_normalizer
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, GRADIENT_BIAS, QUADRATURE, SIGMAS, STANDARD_ERRORS

from . import scenes
from .scenes import SPACES, seeded

R = TypeVar("R", bound=Record)
# From a seed, a number of samples and of rounds to samples of RUNS equal objects, and the true log
# normaliser.
Runs = Callable[[int, int, int], tuple[PoseSamples, Tensor]]
RUNS = 200


def standard_error(samples: PoseSamples) -> Tensor:
    """Of the log normaliser, from the spread of the weights."""
    return (1 / samples.effective_sample_size - 1 / samples.log_weights.shape[0]).sqrt()


def few_points(seed: int) -> tuple[PnPProblem, PoseEstimate]:
    problem, _ = scenes.problem((), number=8, seed=seed, noise=1.0, weight=20.0)
    return problem, levenberg_marquardt(
        problem, EProPnP4DoF().solve(problem, generator=seeded(9)).pose, 50
    )


def copies(record: R, number: int) -> R:
    """A batch of so many equal objects: as many independent runs of the sampler."""
    return record.map(lambda tensor: tensor.expand(number, *tensor.shape))


def deviation(samples: PoseSamples, log_normalizer: Tensor) -> float:
    """Of the mean of Z_hat / Z from one, over a batch of runs, in its standard errors."""
    ratio = (samples.log_normalizer - log_normalizer).exp()
    return float((ratio.mean() - 1) / (ratio.std() / math.sqrt(len(ratio))))


@pytest.mark.parametrize("seed", [0, 1])
def test_normaliser_against_a_grid(seed: int) -> None:
    problem, estimate = few_points(seed)
    samples = EProPnP4DoF(mc_samples=8192).sample(problem, generator=seeded(seed))
    error = standard_error(samples)
    assert error < 0.05
    assert abs(samples.log_normalizer - grid_log_normalizer(problem, estimate)) < SIGMAS * error


def runs_of_4dof(seed: int, number: int, rounds: int) -> tuple[PoseSamples, Tensor]:
    problem, estimate = few_points(seed)
    layer = EProPnP4DoF(mc_samples=number, amis_rounds=rounds)
    return layer.sample(
        copies(problem, RUNS), copies(estimate, RUNS), seeded(seed)
    ), grid_log_normalizer(problem, estimate)


def runs_of_6dof(seed: int, number: int, rounds: int) -> tuple[PoseSamples, Tensor]:
    """Of a linearised problem, whose posterior is Gaussian."""
    problem, pose = scenes.problem((), seed=seed, space=SE3Pose)
    estimate = levenberg_marquardt(problem, pose, 50)
    quadratic = copies(QuadraticProblem(estimate.pose, estimate.hessian), RUNS)
    first = PoseProposal.laplace(quadratic.pose, torch.linalg.inv(quadratic.hessian))
    return amis(
        quadratic, first, torch.ones(RUNS, dtype=torch.bool), number, rounds, seeded(seed)
    ), quadratic.log_normalizer


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("runs", [runs_of_4dof, runs_of_6dof], ids=["4dof", "6dof"])
def test_mean_of_200_runs_is_the_integral(runs: Runs, seed: int) -> None:
    samples, expected = runs(seed, 512, 1)
    assert samples.valid.all()
    assert abs(deviation(samples, expected)) < STANDARD_ERRORS


def fresh_runs_of_6dof(seed: int, number: int, rounds: int) -> tuple[PoseSamples, Tensor]:
    """Four rounds find a proposal, from a first one three times too wide; what counts are fresh
    draws from the proposal found.
    """
    problem, pose = scenes.problem((), seed=seed, space=SE3Pose)
    estimate = levenberg_marquardt(problem, pose, 50)
    quadratic = copies(QuadraticProblem(estimate.pose, estimate.hessian), RUNS)
    first, generator = (
        PoseProposal.laplace(quadratic.pose, 9 * torch.linalg.inv(quadratic.hessian)),
        seeded(seed),
    )
    every = torch.ones(RUNS, dtype=torch.bool)
    pilot = amis(quadratic, first, every, number, rounds, generator)
    return amis(
        quadratic, first.refit(pilot.pose, pilot.log_weights), every, number, 1, generator
    ), quadratic.log_normalizer


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mean_of_200_runs_is_the_integral_with_fresh_draws_after_adaptation(seed: int) -> None:
    """The proposal is then independent of the draws that are weighted against it, and importance
    sampling is unbiased.
    """
    samples, expected = fresh_runs_of_6dof(seed, 512, 4)
    assert samples.valid.all()
    assert abs(deviation(samples, expected)) < STANDARD_ERRORS


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("runs", [runs_of_4dof, runs_of_6dof], ids=["4dof", "6dof"])
def test_bias_of_adaptation_falls_with_the_number_of_samples(runs: Runs, seed: int) -> None:
    """Proposals follow the samples they were fitted to, whose weights are then too low: log Z is
    low by about c / samples.
    """
    bias = [
        float((samples.log_normalizer - expected).mean())
        for samples, expected in (runs(seed, n, 4) for n in (256, 1024))
    ]
    assert bias[0] < bias[1] < 0
    assert 2.5 < bias[0] / bias[1] < 8 and abs(bias[1]) < 0.06


def test_gradient_is_hardly_biased_by_adaptation() -> None:
    """A common factor of the weights cancels in the self-normalised gradient of Eq. (7)."""
    problem, estimate = few_points(0)

    def gradients(number: int, rounds: int, runs: int) -> Tensor:
        w2d = copies(problem.points, runs).w2d.clone().requires_grad_()
        each = copies(problem, runs)
        each = replace(each, points=replace(each.points, w2d=w2d))
        layer = EProPnP4DoF(mc_samples=number, amis_rounds=rounds)
        drawn = layer.sample(each, copies(estimate, runs), seeded(number))
        return torch.autograd.grad(drawn.log_normalizer.sum(), w2d)[0]

    expected, adapted = gradients(4096, 1, 50).mean(0), gradients(512, 4, RUNS).mean(0)
    assert (adapted - expected).norm() < GRADIENT_BIAS * expected.norm()


def test_quadrature_knows_the_integral_of_a_gaussian() -> None:
    _, estimate = few_points(0)
    quadratic = QuadraticProblem(estimate.pose, estimate.hessian)
    torch.testing.assert_close(
        grid_log_normalizer(quadratic, estimate), quadratic.log_normalizer, rtol=0, atol=QUADRATURE
    )


def test_volume_of_the_tangent_of_quaternions() -> None:
    """Uniform quaternions in the tangent have the density of `log_volume`, over the area 2 pi^2 of
    the sphere.
    """
    drawn = SE3Pose.random_rotation((20000,), torch.zeros((), dtype=torch.float64), seeded(3))
    radius = SE3Pose.difference(SE3Pose.identity(drawn).expand_as(drawn), drawn)[:, 3:].norm(dim=-1)
    tangent = torch.zeros(20001, 6, dtype=torch.float64)
    node = torch.linspace(0, 3, 20001, dtype=torch.float64)
    tangent[:, 3] = node
    share = torch.cumulative_trapezoid(
        SE3Pose.log_volume(tangent).exp() * 4 * math.pi * node**2, node
    ) / (2 * math.pi**2)
    for at in (1000, 5000, 15000):
        assert abs((radius < node[at + 1]).double().mean() - share[at]) < SIGMAS / math.sqrt(
            4 * 20000
        )


def test_normaliser_of_points_on_the_axis_does_not_know_yaw() -> None:
    """Points on the vertical axis: yaw is uniform, so its integral is 2 pi whatever the rest."""
    problem, pose = scenes.problem((), number=8, noise=0.5, weight=40.0)
    x3d = problem.points.x3d * torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    view = scenes.camera()
    x2d = view.project(x3d + pose[:3])
    problem = PnPProblem.adaptive(Correspondences(x3d, x2d, problem.points.w2d), view)
    samples = EProPnP4DoF(mc_samples=8192, init=None).sample(
        problem, levenberg_marquardt(problem, pose), seeded(0)
    )
    covariance = torch.linalg.inv(problem.linearize(pose).hessian[:3, :3])
    axes = torch.linalg.cholesky(covariance)
    node = torch.linspace(-8, 12, 101, dtype=torch.float64)
    offsets = torch.cartesian_prod(node, node, node) @ axes.mT
    moved = pose + torch.cat((offsets, torch.zeros_like(offsets[:, :1])), dim=-1)
    expected = (
        (-problem.cost(moved)).logsumexp(0)
        + 3 * math.log(0.2)
        + torch.linalg.det(axes).log()
        + math.log(2 * math.pi)
    )
    assert samples.valid and standard_error(samples) < 0.1
    assert abs(samples.log_normalizer - expected) < SIGMAS * standard_error(samples)
    mean_direction = (samples.weights * torch.exp(1j * samples.pose[:, 3])).sum().abs()
    assert mean_direction < 0.2


# --- moments ---


@SPACES
def test_posterior_mean_and_covariance_of_a_narrow_posterior_are_those_of_laplace(
    space: type[PoseSpace],
) -> None:
    problem, _ = scenes.problem((4,), noise=0.3, weight=200.0, space=space)
    layer = scenes.layer(space, mc_samples=4096)
    estimate = layer.solve(problem, generator=seeded(0))
    samples = layer.sample(problem, estimate, seeded(1))
    arm = space.difference(samples.mean, samples.pose)
    covariance = torch.einsum("sb,sbi,sbj->bij", samples.weights, arm, arm)
    sigma = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert (space.difference(estimate.pose, samples.mean).abs() / sigma).max() < 0.15
    assert (
        (covariance - estimate.covariance).abs() / (sigma[:, :, None] * sigma[:, None, :])
    ).max() < 0.2
    # 16 and 84 per cent of a Gaussian lie a standard deviation below and above the mean.
    low, middle, high = samples.quantiles([0.1587, 0.5, 0.8413])
    assert ((high - low) / (2 * sigma) - 1).abs().max() < 0.1 and (middle / sigma).abs().max() < 0.1


def test_quantiles_of_equal_weights_are_those_of_numpy() -> None:
    values = torch.randn(101, 3, 2, generator=seeded(0), dtype=torch.float64)
    samples = PoseSamples(
        torch.zeros(101, 3, 4),
        torch.zeros(101, 3, dtype=torch.float64),
        torch.ones(3, dtype=torch.bool),
    )
    levels = [0.0, 0.05, 0.3, 0.5, 0.95, 1.0]
    expected = np.quantile(values.numpy(), levels, axis=0, method="inverted_cdf")
    torch.testing.assert_close(samples.quantiles(levels, values), torch.from_numpy(expected))


def test_quantiles_count_weights() -> None:
    values = torch.tensor([3.0, 1.0, 2.0])[:, None, None]
    samples = PoseSamples(
        torch.zeros(3, 1, 4),
        torch.tensor([0.7, 0.2, 0.1]).log()[:, None],
        torch.ones(1, dtype=torch.bool),
    )
    assert samples.quantiles([0.1, 0.25, 0.5], values).flatten().tolist() == [1.0, 2.0, 3.0]


def test_mean_of_yaw_does_not_care_where_it_winds() -> None:
    pose = torch.zeros(4, 1, 4, dtype=torch.float64)
    pose[:, 0, 3] = torch.tensor(
        [3.0, -3.0, 3.0 + 4 * math.pi, -3.0 - 2 * math.pi], dtype=torch.float64
    )
    samples = PoseSamples(
        pose, torch.zeros(4, 1, dtype=torch.float64), torch.ones(1, dtype=torch.bool)
    )
    assert abs(abs(float(samples.mean[0, 3])) - math.pi) < EXACT
    low, high = samples.quantiles([0.0, 1.0])[:, 0, 3]
    assert abs(float(high - low) - 2 * (math.pi - 3)) < EXACT


# --- adaptation ---


@SPACES
def test_adapting_makes_up_for_a_poor_first_proposal(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((32,), space=space)
    estimate = levenberg_marquardt(problem, pose)
    poor = PoseProposal.laplace(estimate.pose, 9 * estimate.covariance)
    once, often = (
        amis(problem, poor, estimate.valid, 512, rounds, seeded(0)).effective_sample_size
        for rounds in (1, 4)
    )
    assert (often > 2 * once).double().mean() > 0.8


@SPACES
def test_moving_the_origin_changes_no_weight(space: type[PoseSpace]) -> None:
    problem, _ = scenes.problem((3,), space=space)
    points, offset = problem.points, torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
    moved = PnPProblem.adaptive(
        Correspondences(points.x3d + offset, points.x2d, points.w2d), problem.camera
    )
    first, second = (
        scenes.layer(space).sample(one, generator=seeded(0)) for one in (problem, moved)
    )
    torch.testing.assert_close(first.log_normalizer, second.log_normalizer, rtol=1e-6, atol=1e-6)
    assert second.pose.shape == (512, 3, space.dim)
    torch.testing.assert_close(
        moved.cost(second.pose), problem.cost(first.pose), rtol=1e-5, atol=1e-5
    )


def test_indexing_speaks_of_objects() -> None:
    problem, _ = scenes.problem((2, 3))
    samples = EProPnP4DoF(mc_samples=64).sample(problem, generator=seeded(0))
    assert samples[1].pose.shape == (64, 3, 4) and samples[1, 2].log_weights.shape == (64,)
    torch.testing.assert_close(
        samples[torch.tensor([1, 0])].log_weights, samples.log_weights[:, [1, 0]]
    )
    assert (samples.effective_sample_size >= 1).all() and (
        samples.effective_sample_size <= 64
    ).all()


# --- the loss, Eq. (5) to (8) ---


def with_inputs(problem: PnPProblem) -> tuple[PnPProblem, tuple[Tensor, Tensor, Tensor]]:
    points = problem.points
    inputs = tuple(value.clone().requires_grad_() for value in (points.x3d, points.x2d, points.w2d))
    return PnPProblem.adaptive(Correspondences(*inputs), problem.camera), inputs


@SPACES
def test_loss_gradient_is_equation_7(space: type[PoseSpace]) -> None:
    problem, inputs = with_inputs(scenes.problem((3,), number=8, space=space)[0])
    pose = scenes.problem((3,), number=8, space=space)[1]
    samples = scenes.layer(space, mc_samples=128).sample(problem, generator=seeded(0))
    assert not samples.pose.requires_grad
    actual = torch.autograd.grad(
        monte_carlo_pose_loss(samples, problem.cost(pose)).sum(), inputs, retain_graph=True
    )
    at_samples = (samples.weights.detach() * problem.cost(samples.pose)).sum()
    expected = torch.autograd.grad(problem.cost(pose).sum() - at_samples, inputs)
    for first, second in zip(actual, expected):
        torch.testing.assert_close(
            first, second, rtol=EXACT, atol=EXACT * float(second.abs().max())
        )


@SPACES
def test_loss_gradient_in_the_weights_is_equation_8(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((3,), number=8, space=space)
    w2d = problem.points.w2d.clone().requires_grad_()
    problem = replace(problem, points=replace(problem.points, w2d=w2d), robust="none")
    samples = scenes.layer(space, mc_samples=128).sample(problem, generator=seeded(0))

    def squares(at: Tensor) -> Tensor:
        pixel = problem.camera.each_point().project(space.transform(at, problem.points.x3d))
        return (pixel - problem.points.x2d).square()

    expected = (samples.weights[..., None, None] * squares(samples.pose)).sum(0) - squares(pose)
    actual = torch.autograd.grad(monte_carlo_pose_loss(samples, problem.cost(pose)).sum(), w2d)[0]
    torch.testing.assert_close(
        -actual, w2d * expected.detach(), rtol=EXACT, atol=EXACT * float(actual.abs().max())
    )


@SPACES
def test_loss_gradient_with_fixed_samples_against_finite_differences(
    space: type[PoseSpace],
) -> None:
    problem, pose = scenes.problem((2,), number=5, space=space)
    drawn = scenes.layer(space, mc_samples=8).sample(problem, generator=seeded(0))
    log_density = -drawn.log_weights.detach() - problem.cost(drawn.pose)

    def loss(*values: Tensor) -> Tensor:
        changed = PnPProblem.adaptive(Correspondences(*values), problem.camera)
        samples = PoseSamples(drawn.pose, -changed.cost(drawn.pose) - log_density, drawn.valid)
        return monte_carlo_pose_loss(samples, changed.cost(pose))

    points = problem.points
    assert torch.autograd.gradcheck(
        loss,
        tuple(value.clone().requires_grad_() for value in (points.x3d, points.x2d, points.w2d)),
    )


def test_loss_is_the_negative_log_density_at_the_target() -> None:
    problem, pose = scenes.problem((3,))
    samples = EProPnP4DoF(mc_samples=1024).sample(problem, generator=seeded(0))
    loss = monte_carlo_pose_loss(samples, problem.cost(pose))
    torch.testing.assert_close(loss, problem.cost(pose) + samples.log_normalizer + math.log(1024))
    sharp = PnPProblem.adaptive(
        Correspondences(problem.points.x3d, problem.points.x2d, 30 * problem.points.w2d),
        problem.camera,
        relative_delta=100.0,
    )
    assert (
        EProPnP4DoF().sample(sharp, generator=seeded(0)).log_normalizer < samples.log_normalizer
    ).all()


def test_loss_skips_what_is_not_valid_or_has_no_target() -> None:
    log_weights = torch.randn(16, 4, generator=seeded(0)).requires_grad_()
    target = torch.tensor([1.0, torch.inf, torch.nan, 1.0], requires_grad=True)
    samples = PoseSamples(
        torch.zeros(16, 4, 4), log_weights, torch.tensor([True, True, True, False])
    )
    loss = monte_carlo_pose_loss(samples, target)
    loss.sum().backward()
    assert (loss[1:] == 0).all() and loss[0] != 0
    assert (
        log_weights.grad is not None
        and (log_weights.grad[:, 1:] == 0).all()
        and log_weights.grad.isfinite().all()
    )
    assert target.grad is not None and target.grad.tolist() == [1.0, 0.0, 0.0, 0.0]


def weighted_samples(*shape: int) -> PoseSamples:
    """4000 yaw-only poses of objects `shape`, of very different weight."""
    generator = seeded(3)
    pose = torch.randn(4000, *shape, 4, generator=generator, dtype=torch.float64)
    log_weights = 1.5 * torch.randn(4000, *shape, generator=generator, dtype=torch.float64)
    return PoseSamples(pose, log_weights, torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
def test_thinned_samples_stand_for_all_of_them(shape: tuple[int, ...]) -> None:
    samples = weighted_samples(*shape)
    thinned = samples.thinned(500)
    assert thinned.pose.shape == (500, *shape, 4)
    torch.testing.assert_close(thinned.log_normalizer, samples.log_normalizer, rtol=EXACT, atol=0)
    # Each weight is a multiple of 1/500, and differs by less than that from the sample's own.
    times = 500 * thinned.weights
    torch.testing.assert_close(times, times.round(), rtol=0, atol=EXACT)
    is_same = (thinned.pose[:, None] == samples.pose).all(-1)
    kept = (is_same * thinned.weights[:, None]).sum(0)
    assert ((kept - samples.weights).abs() < 1 / 500).all()


def test_thinned_samples_lie_at_different_places() -> None:
    thinned = weighted_samples(3).thinned(500)
    for pose, weight in zip(thinned.pose.unbind(1), thinned.weights.unbind(1)):
        kept = pose[weight > 0]
        assert len(kept.unique(dim=0)) == len(kept) < 500


def test_thinned_samples_are_worth_more() -> None:
    samples = weighted_samples(3)
    share = samples.effective_sample_size / 4000
    assert (samples.thinned(50).effective_sample_size / 50 > 5 * share).all()


def test_as_many_samples_stay_as_they_are() -> None:
    samples = weighted_samples(3)
    assert samples.thinned(4000) is samples
    with pytest.raises(ValueError, match="at least 1, not 0"):
        samples.thinned(0)


def test_objects_without_weights_stay_flagged() -> None:
    samples = weighted_samples(3)
    broken = replace(
        samples,
        log_weights=samples.log_weights.index_fill(1, torch.tensor([1]), math.nan),
        valid=torch.tensor([True, False, True]),
    )
    thinned = broken.thinned(500)
    assert thinned.valid.tolist() == [True, False, True]
    torch.testing.assert_close(thinned[0].log_weights, samples.thinned(500)[0].log_weights)


def test_far_samples_have_no_weight() -> None:
    samples = weighted_samples(3)
    distance = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    near = samples.within(distance)
    is_near = samples.pose[..., :3].norm(dim=-1) <= distance
    assert near.valid.tolist() == [True, True, False]
    assert torch.equal(near.weights[:, :2] > 0, is_near[:, :2])
    inside = samples.weights.where(is_near, 0)[:, :2]
    torch.testing.assert_close(near.weights[:, :2], inside / inside.sum(0), rtol=0, atol=EXACT)
