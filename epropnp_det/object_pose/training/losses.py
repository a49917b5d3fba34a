"""All losses of a batch of patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from epropnp_det.losses import (
    MonteCarloPoseLoss,
    ReprojectionLoss,
    RunningScale,
    derivative_losses,
    estimate_from_gt,
)
from epropnp_det.pnp import (
    EProPnP6DoF,
    PnPProblem,
    PoseEstimate,
    PoseSamples,
    implicit_pose_loss,
    laplace_pose_loss,
)

from ..problem import PointSettings, draw_cells, problem_of_drawn_cells
from ..structures import CorrespondenceMaps, GroundTruth, PatchGeometry
from .coordinate_loss import CoordinateLoss, nearest_symmetric_gt
from .mask_loss import MaskLoss


class LaplacePoseLoss(RunningScale):
    """The KL loss, Eq. (5), with its integral by Laplace's method, divided by the running mean of
    the weight scale. A baseline for `MonteCarloPoseLoss`, with the same arguments.
    """

    def __init__(self, loss_weight: float = 0.2, momentum: float = 0.01):
        super().__init__(momentum)
        self.loss_weight = loss_weight

    def forward(
        self, problem: PnPProblem, estimate: PoseEstimate, gt_pose: Tensor, scale: Tensor
    ) -> Tensor:
        """Mean loss () of B objects; in training mode the running scale is updated first."""
        self.update_scale(scale.detach())
        loss = laplace_pose_loss(problem, estimate, problem.cost(gt_pose))
        return self.loss_weight * loss.mean() / self.scale


class ImplicitPoseLoss(nn.Module):
    """Distance of the solution to the true pose, Eq. (10), differentiated through the solution by
    the implicit function theorem: a row of Table 3. A baseline for `MonteCarloPoseLoss`.

    Args:
        loss_weight: factor of the loss.
        beta: position error [m] at which the square becomes a line.
    """

    def __init__(self, loss_weight: float = 0.2, beta: float = 0.05):
        super().__init__()
        self.loss_weight = loss_weight
        self.beta = beta

    def forward(
        self, problem: PnPProblem, estimate: PoseEstimate, gt_pose: Tensor, scale: Tensor
    ) -> Tensor:
        """Mean loss () of B objects; the weight scale does not enter."""
        return self.loss_weight * implicit_pose_loss(problem, estimate, gt_pose, self.beta).mean()


# The types that configs name.
POSE_LOSSES: dict[str, type[nn.Module]] = {
    loss.__name__: loss
    for loss in (MonteCarloPoseLoss, ReprojectionLoss, LaplacePoseLoss, ImplicitPoseLoss)
}


def build_pose_loss(config: Mapping[str, Any]) -> nn.Module:
    """The pose loss of a config: its `type` and its arguments.

    Raises:
        ValueError: no pose loss of that type.
    """
    settings = dict(config)
    name = settings.pop("type")
    if name not in POSE_LOSSES:
        raise ValueError(f"unknown pose loss {name!r}; use one of {', '.join(POSE_LOSSES)}")
    return POSE_LOSSES[name](**settings)


class ObjectPoseLosses(nn.Module):
    """Coordinates, pose and derivative regularisation of a batch.

    Args:
        pose: config of the pose loss: type `MonteCarloPoseLoss`, Eq. (5), or one of the baselines
            `ReprojectionLoss`, `LaplacePoseLoss`, `ImplicitPoseLoss`; None for none.
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
        """Losses (), by name, of B patches, and two numbers for the log."""
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
            | self.pose_losses(problem, gt.pose, estimate, samples, maps.scale.mean())
            | self.regularization(problem, gt.pose, estimate)
            | dict(invalid_objects=(~estimate.valid).sum().float())
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
        gt_pose: Tensor,
        estimate: PoseEstimate,
        samples: PoseSamples | None,
        scale: Tensor,
    ) -> dict[str, Tensor]:
        """The pose loss, where there is one; `scale` () is the mean weight scale of the batch."""
        if self.pose is None:
            return {}
        if not isinstance(self.pose, MonteCarloPoseLoss):
            return dict(loss_pose=self.pose(problem, estimate, gt_pose, scale))
        cost = problem.cost(gt_pose)
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
