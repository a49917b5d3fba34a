"""The losses of a batch's poses that configs name, in addition to the Monte Carlo loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from epropnp_det.losses import MonteCarloPoseLoss, ReprojectionLoss, RunningScale, projection_error
from epropnp_det.pnp import (
    PnPProblem,
    PoseEstimate,
    implicit_pose_loss,
    laplace_pose_loss,
    linear_covariance_loss,
)
from epropnp_det.pnp.losses.pose_distance import smooth_l1_norm
from epropnp_det.pnp.losses.projection import solution_displacement

from ..structures import GroundTruth


class LaplacePoseLoss(RunningScale):
    """The KL loss, Eq. (5), with its integral by Laplace's method, divided by the running mean of
    the weight scale. A baseline for `MonteCarloPoseLoss`, with the same arguments.
    """

    def __init__(self, loss_weight: float = 0.2, momentum: float = 0.01):
        super().__init__(momentum)
        self.loss_weight = loss_weight

    def forward(
        self, problem: PnPProblem, estimate: PoseEstimate, gt: GroundTruth, scale: Tensor
    ) -> dict[str, Tensor]:
        """Mean loss () of B objects; in training mode the running scale is updated first."""
        self.update_scale(scale.detach())
        loss = laplace_pose_loss(problem, estimate, problem.cost(gt.pose))
        return dict(loss_pose=self.loss_weight * loss.mean() / self.scale)


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
        self, problem: PnPProblem, estimate: PoseEstimate, gt: GroundTruth, scale: Tensor
    ) -> dict[str, Tensor]:
        """Mean loss () of B objects; the weight scale does not enter."""
        loss = implicit_pose_loss(problem, estimate, gt.pose, self.beta)
        return dict(loss_pose=self.loss_weight * loss.mean())


class LatePoseLoss(nn.Module):
    """A pose loss that begins after some steps, when the coordinates have taken shape, and whose
    gradient is limited.

    A pose that the points hardly determine has huge derivatives: of one object in a hundred the
    gradient is hundreds of times as large as of most.

    Args:
        loss_weight: factor of the loss.
        start: training steps without it. They are counted in the state dict, so that a resumed
            training goes on.
        gradient_limit: largest norm of the gradient of an object's loss, without its factor, in the
            coordinates of the points, where the box reaches from -1 to 1; larger ones are scaled
            down. Infinity for none. The ground truth needs vertices otherwise.
    """

    step: Tensor

    def __init__(self, loss_weight: float, start: int, gradient_limit: float):
        super().__init__()
        self.loss_weight = loss_weight
        self.start = start
        self.gradient_limit = gradient_limit
        self.register_buffer("step", torch.tensor(0))

    def begun(self, gt: GroundTruth) -> bool:
        """Whether the loss counts; in training mode the step is counted first.

        Raises:
            ValueError: there is a limit, and the ground truth has no vertices: in the first step,
                not only in the one where the loss begins.
        """
        if self.gradient_limit < math.inf:
            vertices_of(gt)
        if self.training:
            self.step += 1
        return int(self.step) > self.start

    def limited(self, loss: Tensor, problem: PnPProblem, gt: GroundTruth) -> Tensor:
        """The same losses (B,), with gradients up to the limit."""
        x3d = problem.points.x3d
        if self.gradient_limit == math.inf or not x3d.requires_grad:
            return loss
        (gradient,) = torch.autograd.grad(loss.sum(), x3d, retain_graph=True)
        half_extent = sides(vertices_of(gt)) / 2
        norm = (gradient * half_extent[:, None]).flatten(1).norm(dim=1)
        share = (self.gradient_limit / norm).clamp(max=1)
        return loss.detach() + share * (loss - loss.detach())


def vertices_of(gt: GroundTruth) -> Tensor:
    """Vertices (B, V, 3) [m] of the models.

    Raises:
        ValueError: the ground truth has none.
    """
    if gt.vertices is None:
        raise ValueError("the pose loss needs vertices; set data.train.vertices, e.g. to 64")
    return gt.vertices


def sides(vertices: Tensor) -> Tensor:
    """Sides (B, 3) of the boxes around vertices (B, V, 3)."""
    return vertices.amax(1) - vertices.amin(1)


class ProjectionLoss(LatePoseLoss):
    """Where the solution projects the model's vertices, against where the true pose does:
    back-propagated PnP, see `projection_loss`.

    The error of a vertex is a share of the object's size in the image, so that near and far objects
    count the same. For symmetric objects the true pose is that of the symmetry that the coordinates
    are compared with.

    Args:
        loss_weight, start, gradient_limit: as of `LatePoseLoss`.
        relative: share of the mean side of the object's box at which the square becomes a line.
    """

    def __init__(
        self,
        loss_weight: float = 0.02,
        start: int = 2000,
        relative: float = 0.1,
        gradient_limit: float = 1.0,
    ):
        super().__init__(loss_weight, start, gradient_limit)
        self.relative = relative

    def forward(
        self, problem: PnPProblem, estimate: PoseEstimate, gt: GroundTruth, scale: Tensor
    ) -> dict[str, Tensor]:
        """Mean loss () over vertices and B objects, and `flat_minima`, the number of valid objects
        without one because their solution is no strict minimum.

        Raises:
            ValueError: the ground truth has no vertices.
        """
        vertices = vertices_of(gt)
        if not self.begun(gt):
            return dict(loss_pose=estimate.cost.new_zeros(()))
        moved, strict = solution_displacement(problem, estimate, vertices, gt.pose)
        focal = problem.camera.matrix[:, 0, 0]
        error = projection_error(moved, gt.pose[:, 2], sides(vertices), focal, self.relative)
        loss = smooth_l1_norm(error).mean(-1).masked_fill(~strict, 0)
        flat = (estimate.valid & ~strict).sum().float()
        loss = self.limited(loss, problem, gt).mean()
        return dict(loss_pose=self.loss_weight * loss, flat_minima=flat)


class LinearCovarianceLoss(LatePoseLoss):
    """Spread of the pose that the errors of the points would cause, see `linear_covariance_loss`:
    the strongest baseline in the literature.

    Args:
        loss_weight, start, gradient_limit: as of `LatePoseLoss`.
        beta: standard deviation of the position [m] at which the square becomes a line.
    """

    def __init__(
        self,
        loss_weight: float = 0.2,
        start: int = 0,
        beta: float = 0.05,
        gradient_limit: float = math.inf,
    ):
        super().__init__(loss_weight, start, gradient_limit)
        self.beta = beta

    def forward(
        self, problem: PnPProblem, estimate: PoseEstimate, gt: GroundTruth, scale: Tensor
    ) -> dict[str, Tensor]:
        """Mean loss () of B objects; estimate and weight scale do not enter.

        Raises:
            ValueError: there is a limit, and the ground truth has no vertices.
        """
        if not self.begun(gt):
            return dict(loss_pose=estimate.cost.new_zeros(()))
        loss = linear_covariance_loss(problem, gt.pose, self.beta)
        return dict(loss_pose=self.loss_weight * self.limited(loss, problem, gt).mean())


# The types that configs name.
POSE_LOSSES: dict[str, type[nn.Module]] = {
    loss.__name__: loss
    for loss in (
        MonteCarloPoseLoss,
        ReprojectionLoss,
        LaplacePoseLoss,
        ImplicitPoseLoss,
        ProjectionLoss,
        LinearCovarianceLoss,
    )
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
