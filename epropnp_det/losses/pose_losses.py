"""Losses on the pose of an object."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.core import reduce_mean
from mmdet.models.builder import LOSSES
from torch import Tensor, nn

from epropnp_det.pnp import PoseSamples, monte_carlo_pose_loss


@LOSSES.register_module()
class MonteCarloPoseLoss(nn.Module):
    """KL divergence between the true and the predicted pose distribution, Eq. (5), divided by the
    running mean of the weight scale.

    The gradient of the KL loss with respect to the correspondences grows with the concentration of
    the distribution; dividing by the mean
    scale of the weights keeps its size through training. The loss may be negative: it is a negative
        log density.

    Args:
        loss_weight: factor of the loss.
        momentum: of the running mean of the scale.
    """

    def __init__(self, loss_weight: float = 0.5, momentum: float = 0.01):
        super().__init__()
        self.loss_weight, self.momentum = loss_weight, momentum
        self.register_buffer("scale", torch.tensor(1.0))

    def forward(
        self,
        samples: PoseSamples,
        target_cost: Tensor,
        scale: Tensor,
        weight: Tensor,
        avg_factor: float,
    ) -> Tensor:
        """Mean loss; in training mode the running scale is updated first.

        Args:
            samples: pose samples of M objects.
            target_cost: (M,) cost at the true pose.
            scale: () mean scale of the weights in this batch.
            weight: (M,).
            avg_factor: the weighted sum is divided by this.
        """
        if self.training:
            self.scale += self.momentum * (reduce_mean(scale.detach()) - self.scale)
        return (
            self.loss_weight
            * (self.divergence(samples, target_cost) * weight).sum()
            / (avg_factor * self.scale)
        )

    def divergence(self, samples: PoseSamples, target_cost: Tensor) -> Tensor:
        """(M,) loss of each object."""
        return monte_carlo_pose_loss(samples, target_cost)


@LOSSES.register_module()
class ReprojectionLoss(MonteCarloPoseLoss):
    """The first term of Eq. (5) alone: how far the points are from where the true pose puts them.
    For the experiment that shows why that is not enough; arguments as of `MonteCarloPoseLoss`."""

    def divergence(self, samples: PoseSamples, target_cost: Tensor) -> Tensor:
        return target_cost.masked_fill(~target_cost.isfinite(), 0)


def position_loss(error: Tensor, beta: float = 1.0) -> Tensor:
    """Smooth L1 of the Euclidean norm of (..., 3) position errors, m -> (...,)."""
    # The norm has no gradient at zero; a tiny floor under the root gives it one.
    norm = (error.square().sum(-1) + 1e-12).sqrt()
    return F.smooth_l1_loss(norm, torch.zeros_like(norm), beta=beta, reduction="none")


def orientation_loss(error: Tensor) -> Tensor:
    """1 - cos of (...,) yaw errors, rad -> (...,)."""
    return 1 - error.cos()
