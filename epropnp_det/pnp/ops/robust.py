"""Robust kernels rho of Eq. (11), and the adaptive threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


def huber_cost(squared: Tensor, delta: Tensor) -> Tensor:
    """rho(s) / 2 of squared residuals s (...): s / 2 up to delta^2, delta (sqrt(s) - delta / 2)
    beyond, Eq. (12).

    Written without a branch: a root of zero in a branch not taken would still make the gradient
        NaN.
    """
    limit = delta * delta
    return 0.5 * torch.minimum(squared, limit) + delta * (
        torch.maximum(squared, limit).sqrt() - delta
    )


def huber_scale(squared: Tensor, delta: Tensor) -> Tensor:
    """sqrt(min(1, delta / |f|)): scales residual and Jacobian so that plain least squares has the
    gradient of the Huber cost.
    """
    return (delta / torch.maximum(squared, delta * delta).sqrt()).sqrt()


def cauchy_cost(squared: Tensor, delta: Tensor) -> Tensor:
    """rho(s) / 2 = delta^2 / 2 log(1 + s / delta^2) of squared residuals s (...)."""
    limit = delta * delta
    return 0.5 * limit * (squared / limit).log1p()


def cauchy_scale(squared: Tensor, delta: Tensor) -> Tensor:
    """sqrt(rho'(s)) = (1 + s / delta^2)^(-1/2)."""
    return (1 + squared / (delta * delta)).rsqrt()


def plain_cost(squared: Tensor, delta: Tensor) -> Tensor:
    """s / 2 of squared residuals s (...): no kernel at all, and the threshold has no effect."""
    return 0.5 * squared


def plain_scale(squared: Tensor, delta: Tensor) -> Tensor:
    """One, whatever the threshold."""
    return torch.ones_like(squared)


@dataclass(frozen=True)
class RobustKernel:
    """How a squared residual s counts.

    Args:
        cost: rho(s) / 2 from s and delta.
        scale: sqrt(rho'(s)), the factor of residual and Jacobian that makes plain least squares
            have the gradient of the cost.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    scale: Callable[[Tensor, Tensor], Tensor]


ROBUST = {
    "huber": RobustKernel(huber_cost, huber_scale),
    "cauchy": RobustKernel(cauchy_cost, cauchy_scale),
    "none": RobustKernel(plain_cost, plain_scale),
}


def adaptive_threshold(
    x2d: Tensor, w2d: Tensor, mask: Tensor | None = None, relative_delta: float = 0.5
) -> Tensor:
    """Threshold per object: relative_delta * mean weight * spread of the image points.

    Args:
        x2d: (..., N, 2) [px].
        w2d: (..., N, 2) [1/px].
        mask: (..., N), True for the points that count; None for all.
        relative_delta: the factor.

    Returns:
        (...), without unit; zero where the points coincide or fewer than two count. Gradients flow
        through both inputs.
    """
    counts = torch.ones_like(x2d[..., 0]) if mask is None else mask.to(x2d.dtype)
    number = counts.sum(-1)
    mean = (x2d * counts[..., None]).sum(-2) / number[..., None].clamp(min=1)
    squares = ((x2d - mean[..., None, :]).square() * counts[..., None]).sum((-2, -1))
    variance = squares / (number - 1).clamp(min=1)
    mean_weight = (w2d * counts[..., None]).sum((-2, -1)) / (2 * number.clamp(min=1))
    # The clamp keeps the gradient of the root finite for coincident points.
    tiny = torch.finfo(variance.dtype).tiny
    return relative_delta * mean_weight * variance.clamp(min=tiny).sqrt()
