"""Running mean of the scale with which the gradient of a loss grows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .over_processes import mean_over_processes


class RunningScale(nn.Module):
    """Exponential running mean of a positive number; it starts at 1 and rests in evaluation mode.

    A loss divided by it keeps the size of its gradient while the scale rises through training.

    Args:
        momentum: share of the newest value, in [0, 1].
    """

    scale: Tensor

    def __init__(self, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("scale", torch.tensor(1.0))

    @torch.no_grad()
    def update_scale(self, total: Tensor, count: Tensor | float = 1.0) -> None:
        """Takes total / count, both () and summed over all processes, into the mean.

        Every process of a distributed training has to call it. Without anything to count, or where
        the quotient is not finite, the mean stays as it is.
        """
        if not self.training:
            return
        number = torch.as_tensor(count, dtype=total.dtype, device=total.device)
        total, number = mean_over_processes(torch.stack((total, number)))
        value = total / number
        usable = (number > 0) & value.isfinite()
        self.scale += self.momentum * (torch.where(usable, value, self.scale) - self.scale)
