"""Against numbers recorded from the released v2 program."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    gauss_newton_step,
    levenberg_marquardt,
    monte_carlo_pose_loss,
)
from tests import tolerances as tol
from tests.pnp.scenes import seeded

pytestmark = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"], scope="module")


@pytest.fixture(scope="module")
def recorded(reference_folder: Path, dtype: torch.dtype) -> dict[str, Tensor]:
    record = torch.load(reference_folder / "pnp_v2.pt", weights_only=True)["4dof"]
    return {name: value.to(dtype) for name, value in record.items()}


@pytest.fixture
def inputs(recorded: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return tuple(recorded[name].clone().requires_grad_() for name in ("x3d", "x2d", "w2d"))


@pytest.fixture
def problem(recorded: dict[str, Tensor], inputs: tuple[Tensor, ...]) -> PnPProblem:
    camera = Camera.for_image(recorded["cam_intrinsic"], recorded["img_shape_hw"].flip(-1))
    return PnPProblem.adaptive(Correspondences(*inputs), camera)


def assert_close_per_object(actual: Tensor, expected: Tensor, tolerance: float, batch_dim: int = 0) -> None:
    """Relative to the largest expected number of each object: small entries are differences of large ones."""
    actual, expected = (value.detach().movedim(batch_dim, 0).flatten(1) for value in (actual, expected))
    assert ((actual - expected).abs().amax(-1) / expected.abs().amax(-1)).max() < tolerance


def assert_same_minimum(actual: PoseEstimate, pose: Tensor, recorded: dict[str, Tensor]) -> None:
    sigma = recorded["lm_cov"].diagonal(dim1=-2, dim2=-1).sqrt()
    allowed = (tol.RECORDED_POSE_SIGMAS * sigma).clamp(min=tol.RECORDED_POSE)
    assert actual.valid.all()
    assert ((actual.pose - pose).abs() <= allowed).all()
    torch.testing.assert_close(actual.cost, recorded["lm_cost"], rtol=tol.RECORDED_MINIMUM_COST, atol=0)
    assert_close_per_object(actual.covariance, recorded["lm_cov"], tol.RECORDED_COVARIANCE)


def test_threshold(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    torch.testing.assert_close(problem.delta.detach(), recorded["huber_delta"], rtol=tol.RECORDED, atol=0)


def test_cost_at_all_poses_including_the_near_plane(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    torch.testing.assert_close(problem.cost(recorded["poses"]).detach(), recorded["cost"], rtol=tol.RECORDED, atol=0)


def test_residual_and_jacobian(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    residual, jacobian = problem.residual_with_jacobian(recorded["poses"][0])
    assert_close_per_object(residual.flatten(-2), recorded["residual_pose0"], tol.RECORDED)
    assert_close_per_object(jacobian.flatten(-3, -2), recorded["jacobian_pose0"], tol.RECORDED)


def test_gradients_through_cost_and_threshold(problem: PnPProblem, inputs: tuple[Tensor, ...], recorded: dict[str, Tensor]) -> None:
    gradients = torch.autograd.grad(problem.cost(recorded["poses"][0]).sum(), inputs)
    for name, gradient in zip(("grad_x3d", "grad_x2d", "grad_w2d"), gradients):
        assert_close_per_object(gradient, recorded[name], tol.RECORDED)


def test_minimum_from_the_true_pose(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    assert_same_minimum(levenberg_marquardt(problem, recorded["pose_gt"]), recorded["lm_pose"], recorded)


def test_minimum_from_the_true_pose_centred(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    estimate = EProPnP4DoF(init=None).solve(problem, recorded["pose_gt"])
    assert_same_minimum(estimate, recorded["lm_pose_normalized"], recorded)


def test_gauss_newton_step(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    for start, end in ((recorded["lm_pose"], "lm_pose_plus_gn_step"), (recorded["poses"][0], "gn_plus_from_pose0")):
        assert_close_per_object(gauss_newton_step(problem, start), recorded[end], tol.RECORDED_STEP)


def test_log_normalizer(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    layer, generator = EProPnP4DoF(mc_samples=4096, init=None), seeded(0)
    estimate = layer.solve(problem, recorded["pose_gt"])
    with torch.no_grad():
        runs = [layer.sample(problem, estimate, generator).log_normalizer for _ in range(8)]
    error = (torch.stack(runs).mean(0) - recorded["log_normaliser_mean"]).abs()
    assert (error < tol.RECORDED_SIGMAS * recorded["log_normaliser_std"]).all()


def test_monte_carlo_pose_loss(reference_folder: Path, dtype: torch.dtype) -> None:
    record = torch.load(reference_folder / "components_v2.pt", weights_only=True)["monte_carlo_pose_loss"]
    log_weights, target_cost, weight = (record[name].to(dtype) for name in ("logweights", "cost_target", "weight"))
    samples = PoseSamples(log_weights.new_zeros(*log_weights.shape, 4), log_weights, torch.ones(log_weights.shape[1], dtype=torch.bool))
    # The recorded program averages over objects and divides by its running normaliser as well.
    mean = (weight * monte_carlo_pose_loss(samples, target_cost)).sum() / record["avg_factor"]
    loss = record["loss_weight"] * mean / record["norm_factor_after"]
    torch.testing.assert_close(loss, record["loss"].to(dtype), rtol=tol.COMPONENT, atol=0, check_dtype=False)
