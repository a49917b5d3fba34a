"""The loss of the coordinate maps, and the symmetric pose that it compares them with."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from epropnp_det.losses.over_processes import shared_count
from epropnp_det.pnp import SE3Pose

from ..structures import GroundTruth, compose

REDUCTIONS = ("masked", "all")


class CoordinateLoss(nn.Module):
    """L1 of normalised coordinates under a soft mask: the loss of CDPN, see Section 4.1.

    Args:
        loss_weight: factor of the loss.
        reduction: 'masked', the mean over the masks of all processes; or 'all', the mean over all
            cells as in the released programs, which is three to four times smaller.

    Raises:
        ValueError: no reduction of that name.
    """

    def __init__(self, loss_weight: float = 1.0, reduction: str = "masked"):
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(
                f"CoordinateLoss: unknown reduction {reduction!r}; use one of {REDUCTIONS}"
            )
        self.loss_weight = loss_weight
        self.reduction = reduction

    def forward(self, noc: Tensor, target: Tensor, mask: Tensor) -> Tensor:
        """The loss () of predicted and true coordinates (B, 3, h, w) and a mask (B, 1, h, w) in
        [0, 1]; zero where the mask is empty.
        """
        error = mask * coordinate_error(noc, target)
        if self.reduction == "all":
            return self.loss_weight * error.mean()
        return self.loss_weight * error.sum() / shared_count(mask.sum())


def coordinate_error(noc: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error over the three coordinates: (..., 3, h, w) twice -> (..., 1, h, w)."""
    return (noc - target).abs().mean(-3, keepdim=True)


@torch.no_grad()
def nearest_symmetric_gt(noc: Tensor, gt: GroundTruth, half_extent: Tensor) -> GroundTruth:
    """The ground truth of that symmetric pose whose coordinates are nearest to the predicted ones.

    One symmetry is chosen for each object: the first of least unweighted sum of the coordinate
    errors over the cells that show the object. Coordinates are moved in metres, so that symmetries
    need neither pass through the origin nor respect the box.

    Args:
        noc: (B, 3, h, w) predicted.
        gt: ground truth of B objects; returned as it is where no object has symmetries.
        half_extent: (B, 3) [m].
    """
    if gt.symmetries is None or gt.noc is None:
        return gt
    points = gt.noc.flatten(2).mT * half_extent[:, None]
    moved = SE3Pose.transform(gt.symmetries, points[:, None]) / half_extent[:, None, None]
    shown = (gt.noc != 0).any(1).flatten(1)[:, None, :, None]
    candidates = moved * shown  # (B, S, h w, 3)
    error = (noc.flatten(2).mT[:, None] - candidates).abs() * shown
    chosen = error.sum((-2, -1)).argmin(1)
    row = torch.arange(len(noc), device=noc.device)
    target = candidates[row, chosen].mT.unflatten(2, gt.noc.shape[-2:])
    # The moved coordinates S X appear where X does if the pose is y S^-1.
    pose = compose(gt.pose, SE3Pose.inverse(gt.symmetries[row, chosen]))
    return replace(gt, pose=pose, noc=target, symmetries=None)
