"""The losses of Pix2Pose: coordinates by the transformer loss, expected errors and masks, and a
loss of the pose.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from epropnp_det.losses import pose_figures
from epropnp_det.pnp import EProPnP6DoF

from ..structures import GroundTruth, PatchGeometry, PixelMaps
from ..training.coordinate_loss import coordinate_error, nearest_symmetric_gt
from ..training.pose_losses import build_pose_loss
from .points import PixelPointSettings, draw_used, pixel_problem


def transformer_loss(noc: Tensor, target: Tensor, mask: Tensor, beta: float = 3.0) -> Tensor:
    """Mean over all cells of e, times beta inside the mask (Pix2Pose, Eq. (1) and (2)).

    Args:
        noc: (B, 3, h, w) predicted coordinates.
        target: (B, 3, h, w) those of the symmetric pose of least error, see `nearest_symmetric_gt`.
        mask: (B, 1, h, w) in [0, 1], whole silhouette; cut at a half.

    Returns:
        (B,).
    """
    factor = 1 + (beta - 1) * (mask > 0.5).to(noc.dtype)
    return (factor * coordinate_error(noc, target)).mean((1, 2, 3))


def error_loss(error: Tensor, noc: Tensor, target: Tensor) -> Tensor:
    """Mean over all cells of the square of (predicted error - min(e, 1)), (B,): Pix2Pose, Eq. (3).

    Gradients flow into the coordinates, too, as in the original.

    Args:
        error: (B, 1, h, w) in [0, 1].
        noc: (B, 3, h, w) predicted coordinates.
        target: (B, 3, h, w).
    """
    return (error - coordinate_error(noc, target).clamp(max=1)).square().mean((1, 2, 3))


def given(maps: Tensor | None) -> Tensor:
    """The maps of the ground truth.

    Raises:
        ValueError: there are none.
    """
    if maps is None:
        raise ValueError("Pix2Pose trains on coordinate maps; use RenderedCrops or StoredCrops")
    return maps


class Pix2PoseLosses(nn.Module):
    """Coordinates, expected errors, masks and a loss of the pose, of a batch.

    Args:
        coordinate: weight of `transformer_loss` (100 in the original).
        error: weight of `error_loss` (50 in the original).
        mask: weight of the binary cross entropy of the mask (the original has no mask).
        beta: how much more a cell inside the mask counts.
        pose: config of a loss of `POSE_LOSSES` that needs no samples; None for none.
        symmetric: compare with the symmetric pose of least coordinate error, see
            `nearest_symmetric_gt`; the loss of the pose then uses that pose too.
        pnp: settings of `EProPnP6DoF` in training.
        points: how cells become points.

    Raises:
        ValueError: a loss of the pose that needs samples.
    """

    def __init__(
        self,
        pnp: Mapping[str, Any],
        points: PixelPointSettings,
        coordinate: float = 1.0,
        error: float = 0.5,
        mask: float = 0.2,
        beta: float = 3.0,
        pose: Mapping[str, Any] | None = None,
        symmetric: bool = True,
    ):
        super().__init__()
        if pose is not None and pose["type"] in ("MonteCarloPoseLoss", "ReprojectionLoss"):
            raise ValueError(
                f"Pix2PoseLosses: {pose['type']} trains weights, which Pix2Pose has none of; use "
                "ProjectionLoss, LinearCovarianceLoss, ImplicitPoseLoss or None"
            )
        self.pose = None if pose is None else build_pose_loss(pose)
        self.weights = dict(coordinate=coordinate, error=error, mask=mask)
        self.beta = beta
        self.symmetric = symmetric
        self.points = points
        self.layer = EProPnP6DoF(**pnp)

    def forward(
        self,
        maps: PixelMaps,
        geometry: PatchGeometry,
        gt: GroundTruth,
        generator: Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses (), by name, of B patches, and numbers for the log."""
        if self.symmetric:
            gt = nearest_symmetric_gt(maps.noc, gt, geometry.half_extent)
        losses = self.map_losses(maps, gt)
        if self.pose is None:
            return losses
        used = (given(gt.mask) > 0.5) & (maps.error < self.points.inner)
        used = draw_used(used, self.points.train_points, generator)
        problem = pixel_problem(maps, geometry, self.points, used)
        estimate = self.layer.solve(problem, generator=generator)
        scale = problem.points.w2d.mean()
        found = self.pose(problem, estimate, gt, scale)
        return losses | found | pose_figures(estimate.valid)

    def map_losses(self, maps: PixelMaps, gt: GroundTruth) -> dict[str, Tensor]:
        """The weighted losses of coordinates, errors and masks, means over B patches."""
        noc = given(gt.noc)
        mask = given(gt.mask)
        whole = (mask > 0.5).to(maps.noc.dtype)
        values = dict(
            coordinate=transformer_loss(maps.noc, noc, mask, self.beta).mean(),
            error=error_loss(maps.error, maps.noc, noc).mean(),
            mask=F.binary_cross_entropy_with_logits(maps.mask_logit, whole),
        )
        return {f"loss_{name}": self.weights[name] * value for name, value in values.items()}
