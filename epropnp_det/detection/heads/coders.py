"""Encodings of sizes and positions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SizeCoder(nn.Module):
    """Box size as a code near a unit normal: size = exp(code * std / mean + log mean), per class.

    Args:
        mean, std: (classes, 3) of l, h, w, m.
    """

    log_mean: Tensor
    relative_std: Tensor

    def __init__(self, mean: Sequence[Sequence[float]], std: Sequence[Sequence[float]]):
        super().__init__()
        mean_size = torch.tensor(mean)
        self.register_buffer("log_mean", mean_size.log(), persistent=False)
        self.register_buffer("relative_std", torch.tensor(std) / mean_size, persistent=False)

    def decode(self, code: Tensor, label: Tensor) -> Tensor:
        """(..., 3) code and (...,) class -> (..., 3) size, m."""
        return (code * self.relative_std[label] + self.log_mean[label]).exp()

    def encode(self, size: Tensor, label: Tensor) -> Tensor:
        """(..., 3) size, m, and (...,) class -> (..., 3) code."""
        return (size.log() - self.log_mean[label]) / self.relative_std[label]


class SinePositionalEncoding(nn.Module):
    """Sine and cosine of a position at `features` frequencies an axis; y first, as in DETR.

    Positions are cells of the unpadded image divided by its extent, times 2 pi.

    Args:
        features: channels an axis; the encoding has twice as many.
        temperature: ratio of the longest to the shortest wavelength.
        eps: keeps the division by the extent finite.
    """

    period: Tensor

    def __init__(self, features: int, temperature: float = 10000.0, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        period = temperature ** (
            2 * torch.arange(features).div(2, rounding_mode="floor") / features
        )
        self.register_buffer("period", period, persistent=False)

    def forward(self, xy: Tensor, extent: Tensor) -> Tensor:
        """Encodes points.

        Args:
            xy: (..., 2) positions.
            extent: (..., 2) width and height of the unpadded image, in the unit of `xy`.

        Returns:
            (..., 2 * features).
        """
        angle = (xy / (extent + self.eps) * (2 * math.pi)).flip(-1)[..., None] / self.period
        return torch.stack((angle[..., 0::2].sin(), angle[..., 1::2].cos()), -1).flatten(-3)

    def of_map(self, valid: Tensor) -> Tensor:
        """Encodes the cells of a padded map by counting its valid cells, the first of a row or
        column at 0.5.

        A padded column holds no valid cell to count, so its y (and a padded row's x) is a constant
        far outside the image, as in the networks this encoding was first trained with.

        Args:
            valid: (B, H, W) bool, False where padded.

        Returns:
            (B, 2 * features, H, W).
        """
        x = valid.cumsum(2, dtype=self.period.dtype)
        y = valid.cumsum(1, dtype=self.period.dtype)
        extent = torch.stack((x[..., -1:].expand_as(x), y[:, -1:].expand_as(y)), -1)
        return self(torch.stack((x, y), -1) - 0.5, extent).permute(0, 3, 1, 2)
