"""The losses of Pix2Pose against recordings of the released layer, and by laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from epropnp_det.object_pose.data.symmetries import closed_symmetries
from epropnp_det.object_pose.pix2pose.losses import Pix2PoseLosses, error_loss, transformer_loss
from epropnp_det.object_pose.pix2pose.points import PixelPointSettings
from epropnp_det.object_pose.structures import GroundTruth, PixelMaps
from epropnp_det.object_pose.training.coordinate_loss import (
    coordinate_error,
    nearest_symmetric_gt,
)
from epropnp_det.pnp import SE3Pose
from tests.tolerances import EXACT, RECORDED_FORMULA

from ..recordings import pose_from_matrix
from ..small import ellipsoid_maps, geometry, poses

CASES = ("none", "two_z", "four_z", "three_xyz", "six_y")
# The weights of the released layer.
LAYER = dict(coordinate=1.0, error=0.5, mask=0.0)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, reference_folder: Path) -> dict[str, Any]:
    cases = torch.load(reference_folder / "transformer_loss.pt", weights_only=True)["cases"]
    return next(case for case in cases if case["name"] == request.param)


def channels_first(maps: Tensor) -> Tensor:
    return maps.permute(0, 3, 1, 2)


def gt_of(case: dict[str, Any]) -> GroundTruth:
    """The recorded pool acts on normalised coordinates: half extents of one metre."""
    number = len(case["gt"])
    pool = pose_from_matrix(torch.nn.functional.pad(case["pool"], (0, 1)))
    pose = SE3Pose.identity(case["gt"]).expand(number, 7)
    symmetries = pool.expand(number, *pool.shape)
    mask = channels_first(case["mask"])
    return GroundTruth(pose, channels_first(case["gt"]), mask, symmetries)


def test_loss_gradients_and_chosen_member_of_the_released_layer(case: dict[str, Any]) -> None:
    noc = channels_first(case["pred"]).clone().requires_grad_()
    error = channels_first(case["prob"]).clone().requires_grad_()
    gt = gt_of(case)
    nearest = nearest_symmetric_gt(noc, gt, torch.ones(len(noc), 3, dtype=noc.dtype))
    picked = case["pool"][case["chosen"]]
    expected = torch.einsum("bij,bhwj->bihw", picked, case["gt"])
    close = dict(rtol=RECORDED_FORMULA, atol=RECORDED_FORMULA)
    torch.testing.assert_close(nearest.noc, expected, **close)
    l1_part = transformer_loss(noc, nearest.noc, nearest.mask)
    error_part = error_loss(error, noc, nearest.noc)
    loss = l1_part + 0.5 * error_part
    (loss * case["upstream"]).sum().backward()
    torch.testing.assert_close(l1_part, case["l1_part"], **close)
    torch.testing.assert_close(error_part, case["error_part"], **close)
    torch.testing.assert_close(loss, case["loss"], **close)
    torch.testing.assert_close(noc.grad, channels_first(case["grad_pred"]), **close)
    torch.testing.assert_close(error.grad, channels_first(case["grad_prob"]), **close)


def symmetric_scene() -> tuple[Tensor, GroundTruth, Tensor]:
    """Predicted coordinates, gt with a closed pool of turns about an axis off the origin, and
    half extents that differ from axis to axis.
    """
    info = dict(
        diameter=100.0,
        symmetries_discrete=[
            [0, -1, 0, 20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
        ],
    )
    pool = torch.from_numpy(closed_symmetries(info).to_vector())
    assert len(pool) == 4
    where = geometry(3).map(lambda value: value.double() if value.is_floating_point() else value)
    noc, mask = ellipsoid_maps(poses(3).double(), where)
    generator = torch.Generator().manual_seed(0)
    predicted = noc + 0.3 * torch.randn(noc.shape, generator=generator, dtype=noc.dtype)
    gt = GroundTruth(poses(3).double(), noc, mask, pool.expand(3, 4, 7))
    return predicted, gt, where.half_extent


def turned(noc: Tensor, member: Tensor, half_extent: Tensor, mask: Tensor) -> Tensor:
    """Coordinates (B, 3, h, w) moved by a motion (7,) of the object frame."""
    points = noc.flatten(2).mT * half_extent[:, None]
    moved = SE3Pose.transform(member.expand(len(noc), 7), points) / half_extent[:, None]
    return moved.mT.unflatten(2, noc.shape[-2:]) * mask


def loss_of(noc: Tensor, gt: GroundTruth, half_extent: Tensor) -> Tensor:
    return transformer_loss(noc, nearest_symmetric_gt(noc, gt, half_extent).noc, gt.mask)


def test_the_loss_is_the_same_whichever_symmetric_pose_the_data_has() -> None:
    noc, gt, half_extent = symmetric_scene()
    expected = loss_of(noc, gt, half_extent)
    for member in gt.symmetries[0]:
        other = turned(gt.noc, member, half_extent, gt.mask)
        got = loss_of(noc, replace(gt, noc=other), half_extent)
        torch.testing.assert_close(got, expected, rtol=EXACT, atol=EXACT)


def test_any_symmetric_coordinates_are_perfect() -> None:
    _, gt, half_extent = symmetric_scene()
    for member in gt.symmetries[0]:
        noc = turned(gt.noc, member, half_extent, gt.mask)
        assert (loss_of(noc, gt, half_extent) < EXACT).all()


def test_one_member_is_the_plain_loss() -> None:
    noc, gt, half_extent = symmetric_scene()
    alone = replace(gt, symmetries=gt.symmetries[:, :1])
    factor = 1 + 2 * gt.mask
    expected = (factor * coordinate_error(noc, gt.noc)).mean((1, 2, 3))
    torch.testing.assert_close(loss_of(noc, alone, half_extent), expected, rtol=EXACT, atol=EXACT)


def test_ties_and_pure_background_count_once() -> None:
    noc, gt, half_extent = symmetric_scene()
    expected = coordinate_error(noc, torch.zeros_like(noc)).mean((1, 2, 3))
    empty = replace(gt, noc=torch.zeros_like(gt.noc), mask=torch.zeros_like(gt.mask))
    torch.testing.assert_close(loss_of(noc, empty, half_extent), expected, rtol=EXACT, atol=EXACT)
    nothing = torch.zeros_like(noc).requires_grad_()
    tied = replace(gt, symmetries=gt.symmetries[:, :1].expand(3, 4, 7))
    loss_of(nothing, tied, half_extent).sum().backward()
    once = nothing.grad.clone()
    nothing.grad = None
    loss_of(nothing, replace(gt, symmetries=None), half_extent).sum().backward()
    torch.testing.assert_close(nothing.grad, once, rtol=EXACT, atol=EXACT)


def test_large_errors_keep_their_gradient() -> None:
    """Only the target of the expected error is clipped at one."""
    noc = torch.full((1, 3, 2, 2), 5.0).requires_grad_()
    target = torch.zeros_like(noc)
    transformer_loss(noc, target, torch.ones(1, 1, 2, 2)).sum().backward()
    assert (noc.grad > 0).all()
    error = torch.full((1, 1, 2, 2), 0.25)
    assert error_loss(error, noc, target).item() == pytest.approx(0.75**2)


def losses(**settings: Any) -> Pix2PoseLosses:
    pnp = dict(mc_samples=64, lm_iterations=20, init=dict(proposals=8))
    return Pix2PoseLosses(pnp=pnp, points=PixelPointSettings(train_points=128), **settings)


def maps_of(noc: Tensor, error: float = 0.05) -> PixelMaps:
    even = torch.zeros_like(noc[:, :1])
    return PixelMaps(noc, even + error, even)


@pytest.mark.parametrize("kind", ["ProjectionLoss", "LinearCovarianceLoss", "ImplicitPoseLoss"])
def test_a_loss_of_the_pose_moves_the_coordinates_under_the_mask_alone(kind: str) -> None:
    settings = dict(type=kind) | ({} if kind == "ImplicitPoseLoss" else dict(start=0))
    criterion = losses(coordinate=0.0, error=0.0, mask=0.0, pose=settings).train()
    noc, mask = ellipsoid_maps(poses(3), geometry(3))
    generator = torch.Generator().manual_seed(0)
    noc = (noc + 0.05 * torch.randn(noc.shape, generator=generator)).requires_grad_()
    vertices = torch.rand(3, 8, 3, generator=generator) * 0.1 - 0.05
    gt = GroundTruth(poses(3), noc.detach(), mask, vertices=vertices)
    found = criterion(maps_of(noc), geometry(3), gt, generator)
    assert found["loss_pose"] > 0 and found["invalid_objects"] == 0
    found["loss_pose"].backward()
    moved = noc.grad.abs().sum(1, keepdim=True) > 0
    assert moved.flatten(1).any(1).all() and not (moved & (mask == 0)).any()


def test_the_loss_of_the_pose_uses_the_chosen_symmetric_pose() -> None:
    """Coordinates that are right for a symmetric pose give a projection loss of zero."""
    _, gt, half_extent = symmetric_scene()
    settings = dict(type="ProjectionLoss", start=0, loss_weight=0.1)
    criterion = losses(pose=settings).double().train()
    where = geometry(3).map(lambda value: value.double() if value.is_floating_point() else value)
    noc = turned(gt.noc, gt.symmetries[0, 1], half_extent, gt.mask)
    vertices = torch.rand(3, 8, 3, generator=torch.Generator().manual_seed(0)).double() * 0.1
    gt = replace(gt, vertices=vertices)
    generator = torch.Generator().manual_seed(0)
    assert criterion(maps_of(noc), where, gt, generator)["loss_pose"] < 1e-4
    plain = replace(gt, symmetries=None)
    assert criterion(maps_of(noc), where, plain, generator)["loss_pose"] > 1e-2


def limited_gradients(kind: str, limit: float) -> tuple[Tensor, Tensor]:
    """The loss () and the gradients (3, 3, h, w) of an object's loss in its coordinates; of the
    first object all but a line is hidden, which hardly determines its pose.
    """
    settings = dict(type=kind, start=0, loss_weight=1.0, gradient_limit=limit)
    criterion = losses(coordinate=0.0, error=0.0, mask=0.0, pose=settings).double().train()
    where = geometry(3).map(lambda value: value.double() if value.is_floating_point() else value)
    noc, mask = ellipsoid_maps(poses(3).double(), where)
    middle = noc.shape[-1] // 2
    mask[0, :, :, : middle - 1] = 0
    mask[0, :, :, middle + 1 :] = 0
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(noc.shape, generator=generator, dtype=noc.dtype)
    noc = (noc + 0.05 * noise).requires_grad_()
    signs = torch.cartesian_prod(*[torch.tensor((-1.0, 1.0), dtype=noc.dtype)] * 3)
    vertices = signs * where.half_extent[:, None]
    gt = GroundTruth(poses(3).double(), noc.detach(), mask, vertices=vertices)
    found = criterion(maps_of(noc), where, gt, generator)["loss_pose"]
    (gradient,) = torch.autograd.grad(found, noc)
    return found.detach(), 3 * gradient


@pytest.mark.parametrize("kind", ["ProjectionLoss", "LinearCovarianceLoss"])
def test_large_gradients_are_scaled_down_to_the_limit(kind: str) -> None:
    value, free = limited_gradients(kind, torch.inf)
    norms = free.flatten(1).norm(dim=1)
    least, middle, greatest = norms.sort().values
    limit = float((middle + greatest) / 2)
    limited_value, limited = limited_gradients(kind, limit)
    share = (limit / norms).clamp(max=1)
    assert least < limit < greatest
    torch.testing.assert_close(limited_value, value, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(limited, share[:, None, None, None] * free, rtol=EXACT, atol=EXACT)


def test_a_late_loss_waits_and_counts_its_steps_in_the_state() -> None:
    criterion = losses(pose=dict(type="LinearCovarianceLoss", start=1)).train()
    noc, mask = ellipsoid_maps(poses(2), geometry(2))
    gt = GroundTruth(poses(2), noc, mask)
    shifted = maps_of(noc + 0.01)
    generator = torch.Generator().manual_seed(0)
    found = [criterion(shifted, geometry(2), gt, generator)["loss_pose"] for _ in range(2)]
    assert found[0] == 0 and found[1] > 0
    assert criterion.state_dict()["pose.step"] == 2


def test_objects_without_points_are_counted_and_change_nothing() -> None:
    criterion = losses(pose=dict(type="LinearCovarianceLoss", start=0)).train()
    noc, mask = ellipsoid_maps(poses(2), geometry(2))
    mask[1] = 0
    noc = (noc + 0.01).requires_grad_()
    gt = GroundTruth(poses(2), noc.detach() * 0, mask)
    found = criterion(maps_of(noc), geometry(2), gt, torch.Generator().manual_seed(0))
    assert found["invalid_objects"] == 1
    (gradient,) = torch.autograd.grad(found["loss_pose"], noc)
    assert gradient.isfinite().all() and not gradient[1].any() and gradient[0].any()


def test_losses_that_need_weights_or_vertices_are_refused() -> None:
    with pytest.raises(ValueError, match="MonteCarloPoseLoss trains weights"):
        losses(pose=dict(type="MonteCarloPoseLoss"))
    noc, mask = ellipsoid_maps(poses(1), geometry(1))
    limited = dict(type="LinearCovarianceLoss", start=2000, gradient_limit=1.0)
    for settings in (dict(type="ProjectionLoss"), limited):
        criterion = losses(pose=settings).train()
        with pytest.raises(ValueError, match=r"set data\.train\.vertices"):
            maps = maps_of(noc.clone().requires_grad_())
            criterion(maps, geometry(1), GroundTruth(poses(1), noc, mask))
