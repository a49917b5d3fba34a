"""All losses of a batch of patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from epropnp_det.losses import (
    MonteCarloPoseLoss,
    derivative_losses,
    estimate_from_gt,
    pose_figures,
)
from epropnp_det.pnp import EProPnP6DoF, PnPProblem, PoseEstimate, PoseSamples

from ..problem import PointSettings, draw_cells, problem_of_drawn_cells
from ..structures import CorrespondenceMaps, GroundTruth, PatchGeometry
from .coordinate_loss import CoordinateLoss, nearest_symmetric_gt
from .mask_loss import MaskLoss
from .pose_losses import build_pose_loss


class ObjectPoseLosses(nn.Module):
    """Coordinates, pose and derivative regularisation of a batch.

    Args:
        pose: config of the pose loss: type `MonteCarloPoseLoss`, Eq. (5), or one of the baselines
            of `POSE_LOSSES`; None for none.
        coordinate: arguments of `CoordinateLoss`; None trains without coordinate maps.
        mask: arguments of `MaskLoss`; None trains the logits by the pose alone.
        position: weight of the position term of Eq. (10).
        orientation: weight of the orientation term of Eq. (10).
        beta: position error [m] at which the square of Eq. (10) becomes a line.
        pnp: settings of `EProPnP6DoF` in training.
        points: how cells become points.
        symmetric: compare with the symmetric pose whose coordinates are nearest to the predicted
            ones, see `nearest_symmetric_gt`; the pose losses then use that pose too.
        regularize_from_gt: let the true pose compete as a start of the solution that Eq. (9)
            begins from, as the released programs do. Without it that solution has not seen the
            gt.
    """

    def __init__(
        self,
        pose: Mapping[str, Any] | None,
        coordinate: Mapping[str, Any] | None,
        position: float,
        orientation: float,
        pnp: Mapping[str, Any],
        points: PointSettings,
        beta: float = 0.05,
        symmetric: bool = True,
        regularize_from_gt: bool = False,
        mask: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.pose = None if pose is None else build_pose_loss(pose)
        self.coordinate = None if coordinate is None else CoordinateLoss(**coordinate)
        self.mask = None if mask is None else MaskLoss(**mask)
        self.position = position
        self.orientation = orientation
        self.beta = beta
        self.points = points
        self.symmetric = symmetric
        self.regularize_from_gt = regularize_from_gt
        self.layer = EProPnP6DoF(**pnp)
        self.local_solver = EProPnP6DoF(**dict(pnp, init=None))

    def forward(
        self,
        maps: CorrespondenceMaps,
        geometry: PatchGeometry,
        gt: GroundTruth,
        generator: torch.Generator | None = None,
    ) -> dict[str, Tensor]:
        """Losses (), by name, of B patches, and figures for the log."""
        if self.symmetric:
            gt = nearest_symmetric_gt(maps.noc, gt, geometry.half_extent)
        losses = self.map_losses(maps, gt)
        losses["w2d_scale"] = maps.scale.detach().mean()
        if self.pose is None and self.position == self.orientation == 0:
            return losses
        drawn = draw_cells(maps, self.points.train_points, generator)
        problem = problem_of_drawn_cells(maps, geometry, self.points, drawn)
        estimate = self.layer.solve(
            problem, gt.pose if self.regularize_from_gt else None, generator
        )
        samples = self.draw_samples(problem, gt.pose, estimate, generator)
        return (
            losses
            | self.pose_losses(problem, gt, estimate, samples, maps.scale.mean())
            | self.regularization(problem, gt.pose, estimate)
            | pose_figures(estimate.valid, samples)
        )

    def draw_samples(
        self,
        problem: PnPProblem,
        gt_pose: Tensor,
        estimate: PoseEstimate,
        generator: torch.Generator | None,
    ) -> PoseSamples | None:
        """Samples (Alg. 1) from proposals around the better of the estimate and the true pose; None
        where the pose loss uses none.
        """
        if type(self.pose) is not MonteCarloPoseLoss:
            return None
        if not self.regularize_from_gt:
            estimate = estimate_from_gt(self.local_solver, problem, gt_pose, estimate)
        return self.layer.sample(problem, estimate, generator)

    def map_losses(self, maps: CorrespondenceMaps, gt: GroundTruth) -> dict[str, Tensor]:
        """The losses of coordinates and mask, where there are any."""
        losses = {}
        if self.coordinate is not None:
            losses["loss_coordinate"] = self.coordinate(maps.noc, gt.noc, gt.mask)
        if self.mask is not None:
            losses["loss_mask"] = self.mask(maps.logit, gt.mask)
        return losses

    def pose_losses(
        self,
        problem: PnPProblem,
        gt: GroundTruth,
        estimate: PoseEstimate,
        samples: PoseSamples | None,
        scale: Tensor,
    ) -> dict[str, Tensor]:
        """The pose loss, where there is one; `scale` () is the mean weight scale of the batch."""
        if self.pose is None:
            return {}
        if not isinstance(self.pose, MonteCarloPoseLoss):
            return self.pose(problem, estimate, gt, scale)
        cost = problem.cost(gt.pose)
        loss = self.pose(samples, cost, scale, torch.ones_like(cost), len(cost))
        return dict(loss_pose=loss)

    def regularization(
        self, problem: PnPProblem, gt_pose: Tensor, estimate: PoseEstimate
    ) -> dict[str, Tensor]:
        """The two terms of Eq. (10) after the step of Eq. (9), means over B objects."""
        position, orientation = derivative_losses(problem, estimate, gt_pose, self.beta)
        return dict(
            loss_position=self.position * position.mean(),
            loss_orientation=self.orientation * orientation.mean(),
        )
