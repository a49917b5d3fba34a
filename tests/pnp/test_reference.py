"""Against numbers recorded from the released v1 and v2 programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    gauss_newton_step,
    levenberg_marquardt,
    monte_carlo_pose_loss,
)
from epropnp_det.pnp.layer import EProPnP
from epropnp_det.pnp.spaces import pose_space
from tests import tolerances as tol

from .scenes import seeded

LAYERS = {"4dof": EProPnP4DoF, "6dof": EProPnP6DoF}


@pytest.fixture(scope="module", params=["v1", "v2"])
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=LAYERS)
def poses(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture(scope="module")
def tolerance(poses: str, dtype: torch.dtype, pytestconfig: pytest.Config) -> float:
    finer = dtype == torch.float64 or pytestconfig.getoption("--backend") != "torch"
    return tol.RECORDED_ROUNDED if poses == "6dof" and finer else tol.RECORDED


@pytest.fixture(scope="module")
def layer(poses: str) -> type[EProPnP]:
    return LAYERS[poses]


@pytest.fixture(scope="module")
def recorded(
    reference_folder: Path, version: str, poses: str, dtype: torch.dtype
) -> dict[str, Tensor]:
    record = torch.load(reference_folder / f"pnp_{version}.pt", weights_only=True)[poses]
    return {name: value.to(dtype) for name, value in record.items()}


@pytest.fixture
def inputs(recorded: dict[str, Tensor]) -> tuple[Tensor, ...]:
    return tuple(recorded[name].clone().requires_grad_() for name in ("x3d", "x2d", "w2d"))


@pytest.fixture
def problem(recorded: dict[str, Tensor], inputs: tuple[Tensor, ...], version: str) -> PnPProblem:
    camera = Camera.for_image(recorded["cam_intrinsic"], recorded["img_shape_hw"].flip(-1))
    if version == "v1":
        # Pixel centres at integers: the image, and with it the limits, lies half a pixel further up
        # and left.
        camera = replace(camera, clip_min=camera.clip_min - 0.5, clip_max=camera.clip_max - 0.5)
    return PnPProblem.adaptive(Correspondences(*inputs), camera, through_x2d=version == "v2")


def assert_close_per_object(
    actual: Tensor, expected: Tensor, tolerance: float, batch_dim: int = 0
) -> None:
    """Relative to the largest expected number of each object: small entries are differences of
    large ones.
    """
    actual, expected = (
        value.detach().movedim(batch_dim, 0).flatten(1) for value in (actual, expected)
    )
    assert ((actual - expected).abs().amax(-1) / expected.abs().amax(-1)).max() < tolerance


def assert_same_minimum(actual: PoseEstimate, pose: Tensor, recorded: dict[str, Tensor]) -> None:
    sigma = recorded["lm_cov"].diagonal(dim1=-2, dim2=-1).sqrt()
    allowed = (tol.RECORDED_POSE_SIGMAS * sigma).clamp(min=tol.RECORDED_POSE)
    assert actual.valid.all()
    assert (pose_space(pose).difference(pose, actual.pose).abs() <= allowed).all()
    torch.testing.assert_close(
        actual.cost, recorded["lm_cost"], rtol=tol.RECORDED_MINIMUM_COST, atol=0
    )
    assert_close_per_object(actual.covariance, recorded["lm_cov"], tol.RECORDED_COVARIANCE)


def test_threshold(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    torch.testing.assert_close(
        problem.delta.detach(), recorded["huber_delta"], rtol=tol.RECORDED, atol=0
    )


def test_cost_at_all_poses_including_the_near_plane(
    problem: PnPProblem, recorded: dict[str, Tensor], tolerance: float
) -> None:
    torch.testing.assert_close(
        problem.cost(recorded["poses"]).detach(), recorded["cost"], rtol=tolerance, atol=0
    )


def test_residual_and_jacobian(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    residual, jacobian = problem.residual_with_jacobian(recorded["poses"][0])
    assert_close_per_object(residual.flatten(-2), recorded["residual_pose0"], tol.RECORDED)
    assert_close_per_object(jacobian.flatten(-3, -2), recorded["jacobian_pose0"], tol.RECORDED)


def test_gradients_through_cost_and_threshold(
    problem: PnPProblem, inputs: tuple[Tensor, ...], recorded: dict[str, Tensor], tolerance: float
) -> None:
    gradients = torch.autograd.grad(problem.cost(recorded["poses"][0]).sum(), inputs)
    for name, gradient in zip(("grad_x3d", "grad_x2d", "grad_w2d"), gradients):
        assert_close_per_object(gradient, recorded[name], tolerance)


def test_minimum_from_the_true_pose(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    assert_same_minimum(
        levenberg_marquardt(problem, recorded["pose_gt"]), recorded["lm_pose"], recorded
    )


def test_minimum_from_the_true_pose_centred(
    problem: PnPProblem, recorded: dict[str, Tensor], layer: type[EProPnP]
) -> None:
    estimate = layer(init=None).solve(problem, recorded["pose_gt"])
    assert_same_minimum(estimate, recorded["lm_pose_normalized"], recorded)


def test_gauss_newton_step(problem: PnPProblem, recorded: dict[str, Tensor]) -> None:
    for start, end in (
        (recorded["lm_pose"], "lm_pose_plus_gn_step"),
        (recorded["poses"][0], "gn_plus_from_pose0"),
    ):
        assert_close_per_object(gauss_newton_step(problem, start), recorded[end], tol.RECORDED_STEP)


def test_log_normalizer(
    problem: PnPProblem, recorded: dict[str, Tensor], layer: type[EProPnP]
) -> None:
    sampler, generator = layer(mc_samples=4096, init=None), seeded(0)
    estimate = sampler.solve(problem, recorded["pose_gt"])
    with torch.no_grad():
        runs = [sampler.sample(problem, estimate, generator).log_normalizer for _ in range(8)]
    error = (torch.stack(runs).mean(0) - recorded["log_normaliser_mean"]).abs()
    assert (error < tol.RECORDED_SIGMAS * recorded["log_normaliser_std"]).all()


def test_monte_carlo_pose_loss(reference_folder: Path, dtype: torch.dtype) -> None:
    record = torch.load(reference_folder / "components_v2.pt", weights_only=True)[
        "monte_carlo_pose_loss"
    ]
    log_weights, target_cost, weight = (
        record[name].to(dtype) for name in ("logweights", "cost_target", "weight")
    )
    samples = PoseSamples(
        log_weights.new_zeros(*log_weights.shape, 4),
        log_weights,
        torch.ones(log_weights.shape[1], dtype=torch.bool),
    )
    # The recorded program averages over objects and divides by its running normaliser as well.
    mean = (weight * monte_carlo_pose_loss(samples, target_cost)).sum() / record["avg_factor"]
    loss = record["loss_weight"] * mean / record["norm_factor_after"]
    torch.testing.assert_close(
        loss, record["loss"].to(dtype), rtol=tol.COMPONENT, atol=0, check_dtype=False
    )
