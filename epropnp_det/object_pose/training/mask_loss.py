"""The loss of the weight logits as a mask, for poses without learnt weights."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class MaskLoss(nn.Module):
    """Binary cross entropy of both weight logits against the mask.

    Args:
        loss_weight: factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0):
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, logit: Tensor, mask: Tensor) -> Tensor:
        """The loss () of logits (B, 2, h, w) and a mask (B, 1, h, w) in [0, 1]."""
        target = mask.expand_as(logit)
        return self.loss_weight * F.binary_cross_entropy_with_logits(logit, target)
