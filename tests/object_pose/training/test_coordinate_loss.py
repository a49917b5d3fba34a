"""The coordinate loss and the choice among symmetric poses, by laws."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.object_pose.structures import GroundTruth, compose
from epropnp_det.object_pose.training.coordinate_loss import (
    CoordinateLoss,
    nearest_symmetric_gt,
)
from epropnp_det.pnp import SE3Pose
from tests.tolerances import EXACT


def random_gt(objects: int = 3, symmetries: int = 4) -> tuple[Tensor, GroundTruth, Tensor]:
    """Predicted coordinates, ground truth with random motions as symmetries, half extents."""
    generator = torch.Generator().manual_seed(0)
    like = torch.zeros((), dtype=torch.float64)

    def poses(*shape: int) -> Tensor:
        turned = SE3Pose.random_rotation(shape, like, generator)
        return turned + torch.nn.functional.pad(
            0.1 * torch.randn(*shape, 3, generator=generator, dtype=like.dtype), (0, 4)
        )

    pool = torch.cat(
        (SE3Pose.identity(like).expand(objects, 1, 7), poses(objects, symmetries - 1)), 1
    )
    noc, predicted = torch.randn(2, objects, 3, 8, 8, generator=generator, dtype=like.dtype)
    shown = torch.rand(objects, 1, 8, 8, generator=generator) > 0.4
    half_extent = 0.05 + torch.rand(objects, 3, generator=generator, dtype=like.dtype)
    gt = GroundTruth(poses(objects), noc * shown, shown.double(), pool)
    return predicted, gt, half_extent


def points(noc: Tensor, half_extent: Tensor) -> Tensor:
    return noc.flatten(2).mT * half_extent[:, None]


def test_pose_and_coordinates_of_the_chosen_symmetry_go_together():
    """Wherever the coordinates are moved to, the camera sees the same points."""
    _, gt, half_extent = random_gt()
    chosen = torch.tensor([1, 3, 0])
    symmetry = gt.symmetries[torch.arange(3), chosen]
    seen = SE3Pose.transform(symmetry, points(gt.noc, half_extent)) / half_extent[:, None]
    noc = seen.mT.unflatten(2, (8, 8))
    nearest = nearest_symmetric_gt(noc, gt, half_extent)
    shown = gt.mask.flatten(1) > 0
    before = SE3Pose.transform(gt.pose, points(gt.noc, half_extent))
    after = SE3Pose.transform(nearest.pose, points(nearest.noc, half_extent))
    torch.testing.assert_close(after[shown], before[shown], rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(nearest.noc * gt.mask, noc * gt.mask, rtol=EXACT, atol=EXACT)
    assert not (nearest.noc * (1 - gt.mask)).any()


def test_padding_with_the_identity_and_repeated_members_change_nothing():
    noc, gt, half_extent = random_gt()
    expected = nearest_symmetric_gt(noc, gt, half_extent)
    repeated = torch.cat((gt.symmetries, gt.symmetries, gt.symmetries[:, :1]), 1)
    got = nearest_symmetric_gt(noc, replace(gt, symmetries=repeated), half_extent)
    assert torch.equal(got.noc, expected.noc) and torch.equal(got.pose, expected.pose)


def test_objects_without_symmetry_keep_their_gt():
    noc, gt, half_extent = random_gt()
    plain = replace(gt, symmetries=None)
    assert nearest_symmetric_gt(noc, plain, half_extent) is plain
    identity = replace(gt, symmetries=gt.symmetries[:, :1])
    nearest = nearest_symmetric_gt(noc, identity, half_extent)
    torch.testing.assert_close(nearest.noc, gt.noc, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(nearest.pose, gt.pose, rtol=EXACT, atol=EXACT)


def test_composed_motions_act_one_after_the_other():
    _, gt, half_extent = random_gt()
    first = gt.symmetries[:, 1]
    x = points(gt.noc, half_extent)
    torch.testing.assert_close(
        SE3Pose.transform(compose(gt.pose, first), x),
        SE3Pose.transform(gt.pose, SE3Pose.transform(first, x)),
        rtol=EXACT,
        atol=EXACT,
    )


def test_masked_mean_does_not_depend_on_the_share_of_background():
    noc, gt, _ = random_gt()
    loss = CoordinateLoss(loss_weight=2.0)
    wide = [torch.nn.functional.pad(maps, (0, 24)) for maps in (noc, gt.noc, gt.mask)]
    expected = loss(noc, gt.noc, gt.mask)
    torch.testing.assert_close(loss(*wide), expected, rtol=EXACT, atol=EXACT)
    # Of four columns of cells three are background now.
    ratio = CoordinateLoss(reduction="all")(*wide) / CoordinateLoss(reduction="all")(
        noc, gt.noc, gt.mask
    )
    torch.testing.assert_close(ratio, torch.tensor(0.25).double(), rtol=EXACT, atol=EXACT)


def test_empty_mask_gives_zero_with_a_finite_gradient():
    noc, gt, _ = random_gt()
    noc.requires_grad_()
    CoordinateLoss()(noc, gt.noc, torch.zeros_like(gt.mask)).backward()
    assert not noc.grad.any()


def test_unknown_reduction_is_named():
    with pytest.raises(ValueError, match="unknown reduction 'mean'"):
        CoordinateLoss(reduction="mean")
