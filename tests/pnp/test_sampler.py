from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Correspondences, EProPnP4DoF, PnPProblem, PoseSamples, levenberg_marquardt, monte_carlo_pose_loss
from epropnp_det.pnp.pose_proposal import PoseProposal
from epropnp_det.pnp.sampler import amis
from tests.pnp import scenes
from tests.pnp.scenes import seeded
from tests.tolerances import EXACT, SIGMAS


def grid_log_integral(problem: PnPProblem, reach: float = 8.0, nodes: int = 31) -> Tensor:
    """log int exp(-cost(y)) dy () by the trapezoidal rule on a grid along the axes of the Laplace approximation."""
    estimate = levenberg_marquardt(problem, EProPnP4DoF().solve(problem, generator=seeded(9)).pose, 50)
    values, vectors = torch.linalg.eigh(estimate.covariance)
    axes = vectors * values.sqrt()
    step = 2 * reach / (nodes - 1)
    node = torch.linspace(-reach, reach, nodes, dtype=torch.float64)
    offsets = torch.cartesian_prod(node, node, node, node)
    costs = torch.cat([problem.cost(estimate.pose + part @ axes.mT) for part in offsets.split(100_000)])
    return (-costs).logsumexp(0) + 4 * math.log(step) + torch.linalg.det(axes).abs().log()


def standard_error(samples: PoseSamples) -> Tensor:
    """Of the log normaliser, from the spread of the weights."""
    return (1 / samples.effective_sample_size - 1 / samples.log_weights.shape[0]).sqrt()


@pytest.mark.parametrize("seed", [0, 1])
def test_normaliser_against_a_grid(seed: int) -> None:
    problem, _ = scenes.problem((), number=8, seed=seed, noise=1.0, weight=20.0)
    samples = EProPnP4DoF(mc_samples=8192).sample(problem, generator=seeded(seed))
    error = standard_error(samples)
    assert error < 0.05
    assert abs(samples.log_normalizer - grid_log_integral(problem)) < SIGMAS * error


def test_normaliser_of_points_on_the_axis_does_not_know_yaw() -> None:
    """Points on the vertical axis: yaw is uniform, so its integral is 2 pi whatever the rest."""
    problem, pose = scenes.problem((), number=8, noise=0.5, weight=40.0)
    x3d = problem.points.x3d * torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    view = scenes.camera()
    x2d = view.project(x3d + pose[:3])
    problem = PnPProblem.adaptive(Correspondences(x3d, x2d, problem.points.w2d), view)
    samples = EProPnP4DoF(mc_samples=8192, init=None).sample(problem, levenberg_marquardt(problem, pose), seeded(0))
    covariance = torch.linalg.inv(problem.linearize(pose).hessian[:3, :3])
    axes = torch.linalg.cholesky(covariance)
    node = torch.linspace(-8, 12, 101, dtype=torch.float64)
    offsets = torch.cartesian_prod(node, node, node) @ axes.mT
    moved = pose + torch.cat((offsets, torch.zeros_like(offsets[:, :1])), dim=-1)
    expected = (-problem.cost(moved)).logsumexp(0) + 3 * math.log(0.2) + torch.linalg.det(axes).log() + math.log(2 * math.pi)
    assert samples.valid and standard_error(samples) < 0.1
    assert abs(samples.log_normalizer - expected) < SIGMAS * standard_error(samples)
    mean_direction = (samples.weights * torch.exp(1j * samples.pose[:, 3])).sum().abs()
    assert mean_direction < 0.2


def test_posterior_mean_and_covariance_of_a_narrow_posterior_are_those_of_laplace() -> None:
    problem, _ = scenes.problem((4,), noise=0.3, weight=200.0)
    layer = EProPnP4DoF(mc_samples=4096)
    estimate = layer.solve(problem, generator=seeded(0))
    samples = layer.sample(problem, estimate, seeded(1))
    mean = (samples.weights[..., None] * samples.pose).sum(0)
    arm = samples.pose - mean
    covariance = torch.einsum("sb,sbi,sbj->bij", samples.weights, arm, arm)
    sigma = estimate.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    assert ((mean - estimate.pose).abs() / sigma).max() < 0.15
    assert ((covariance - estimate.covariance).abs() / (sigma[:, :, None] * sigma[:, None, :])).max() < 0.2


def test_adapting_makes_up_for_a_poor_first_proposal() -> None:
    problem, pose = scenes.problem((32,))
    estimate = levenberg_marquardt(problem, pose)
    poor = PoseProposal.laplace(estimate.pose, 9 * estimate.covariance)
    once, often = (amis(problem, poor, estimate.valid, 512, rounds, seeded(0)).effective_sample_size for rounds in (1, 4))
    assert (often > 2 * once).double().mean() > 0.8


def test_moving_the_origin_changes_no_weight() -> None:
    problem, _ = scenes.problem((3,))
    points, offset = problem.points, torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
    moved = PnPProblem.adaptive(Correspondences(points.x3d + offset, points.x2d, points.w2d), problem.camera)
    first, second = (EProPnP4DoF().sample(one, generator=seeded(0)) for one in (problem, moved))
    torch.testing.assert_close(first.log_normalizer, second.log_normalizer, rtol=1e-6, atol=1e-6)
    assert second.pose.shape == (512, 3, 4)
    torch.testing.assert_close(moved.cost(second.pose), problem.cost(first.pose), rtol=1e-5, atol=1e-5)


def test_indexing_speaks_of_objects() -> None:
    problem, _ = scenes.problem((2, 3))
    samples = EProPnP4DoF(mc_samples=64).sample(problem, generator=seeded(0))
    assert samples[1].pose.shape == (64, 3, 4) and samples[1, 2].log_weights.shape == (64,)
    torch.testing.assert_close(samples[torch.tensor([1, 0])].log_weights, samples.log_weights[:, [1, 0]])
    assert (samples.effective_sample_size >= 1).all() and (samples.effective_sample_size <= 64).all()


# --- the loss, Eq. (5) to (8) ---


def with_inputs(problem: PnPProblem) -> tuple[PnPProblem, tuple[Tensor, Tensor, Tensor]]:
    points = problem.points
    inputs = tuple(value.clone().requires_grad_() for value in (points.x3d, points.x2d, points.w2d))
    return PnPProblem.adaptive(Correspondences(*inputs), problem.camera), inputs


def test_loss_gradient_is_equation_7() -> None:
    problem, inputs = with_inputs(scenes.problem((3,), number=8)[0])
    pose = scenes.problem((3,), number=8)[1]
    samples = EProPnP4DoF(mc_samples=128).sample(problem, generator=seeded(0))
    assert not samples.pose.requires_grad
    actual = torch.autograd.grad(monte_carlo_pose_loss(samples, problem.cost(pose)).sum(), inputs, retain_graph=True)
    at_samples = (samples.weights.detach() * problem.cost(samples.pose)).sum()
    expected = torch.autograd.grad(problem.cost(pose).sum() - at_samples, inputs)
    for first, second in zip(actual, expected):
        torch.testing.assert_close(first, second, rtol=EXACT, atol=EXACT * float(second.abs().max()))


def test_loss_gradient_with_fixed_samples_against_finite_differences() -> None:
    problem, pose = scenes.problem((2,), number=5)
    drawn = EProPnP4DoF(mc_samples=8).sample(problem, generator=seeded(0))
    log_density = -drawn.log_weights.detach() - problem.cost(drawn.pose)

    def loss(*values: Tensor) -> Tensor:
        changed = PnPProblem.adaptive(Correspondences(*values), problem.camera)
        samples = PoseSamples(drawn.pose, -changed.cost(drawn.pose) - log_density, drawn.valid)
        return monte_carlo_pose_loss(samples, changed.cost(pose))

    points = problem.points
    assert torch.autograd.gradcheck(loss, tuple(value.clone().requires_grad_() for value in (points.x3d, points.x2d, points.w2d)))


def test_loss_is_the_negative_log_density_at_the_target() -> None:
    problem, pose = scenes.problem((3,))
    samples = EProPnP4DoF(mc_samples=1024).sample(problem, generator=seeded(0))
    loss = monte_carlo_pose_loss(samples, problem.cost(pose))
    torch.testing.assert_close(loss, problem.cost(pose) + samples.log_normalizer + math.log(1024))
    sharp = PnPProblem.adaptive(
        Correspondences(problem.points.x3d, problem.points.x2d, 30 * problem.points.w2d), problem.camera, relative_delta=100.0
    )
    assert (EProPnP4DoF().sample(sharp, generator=seeded(0)).log_normalizer < samples.log_normalizer).all()


def test_loss_skips_what_is_not_valid_or_has_no_target() -> None:
    log_weights = torch.randn(16, 4, generator=seeded(0)).requires_grad_()
    target = torch.tensor([1.0, torch.inf, torch.nan, 1.0], requires_grad=True)
    samples = PoseSamples(torch.zeros(16, 4, 4), log_weights, torch.tensor([True, True, True, False]))
    loss = monte_carlo_pose_loss(samples, target)
    loss.sum().backward()
    assert (loss[1:] == 0).all() and loss[0] != 0
    assert log_weights.grad is not None and (log_weights.grad[:, 1:] == 0).all() and log_weights.grad.isfinite().all()
    assert target.grad is not None and target.grad.tolist() == [1.0, 0.0, 0.0, 0.0]
