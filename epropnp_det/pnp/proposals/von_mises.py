"""Von Mises proposal for yaw, mixed with a uniform density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ._gaussian import _uniform
from .orientation import Orientation

# Best-Fisher accepts a proposal with probability > 0.65 at any concentration: all of these fail
# once in 10^7 draws.
ATTEMPTS = 16
MIN_CONCENTRATION = 1e-5
MAX_CONCENTRATION = 1e8


@dataclass(frozen=True)
class VonMisesUniform(Orientation):
    """Mixture over angles [rad]: von Mises with weight 1 - `uniform`, and uniform over the circle.

    Args:
        mean: (...).
        concentration: (...), kappa; clamped to [1e-5, 1e8].
        uniform: weight of the uniform part.
    """

    mean: Tensor
    concentration: Tensor
    uniform: float = 0.25

    @classmethod
    def laplace(cls, orientation: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From an angle (...) and its variance (..., 1, 1)."""
        concentration = 0.33 / covariance[..., 0, 0].clamp(min=1 / MAX_CONCENTRATION)
        return cls(orientation, concentration), ~concentration.isfinite()

    @classmethod
    def fit(cls, orientation: Tensor, weight: Tensor) -> tuple[Self, Tensor]:
        """Mean direction and concentration of angles (S, ...), from their resultant length r."""
        mean = torch.atan2((weight * orientation.sin()).sum(0), (weight * orientation.cos()).sum(0))
        # 1 - r through half angles: r itself would round to one for narrow distributions.
        gap = (
            (2 * weight * ((orientation - mean) / 2).sin().square())
            .sum(0)
            .clamp(1 / MAX_CONCENTRATION, 1)
        )
        length = 1 - gap
        concentration = 0.33 * length * (2 - length.square()) / (gap * (1 + length))
        return cls(mean, concentration), ~concentration.isfinite()

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (number, ...) within pi of the mean."""
        shape = (number, *self.mean.shape)
        kappa = self._kappa().double()
        peaked = best_fisher(kappa, _uniform(kappa, (2, ATTEMPTS, *shape), generator))
        side, flat, part = _uniform(kappa, (3, *shape), generator)
        angle = torch.where(part < self.uniform, flat * math.pi, peaked).copysign(side - 0.5)
        return self.mean + angle.to(self.mean.dtype)

    def log_prob(self, orientation: Tensor) -> Tensor:
        """Log density (S, ...) at angles (S, ...), of any winding."""
        kappa = self._kappa()
        # kappa cos(d) - log I0(kappa), with e^kappa taken out of both so that large concentrations
        # neither overflow nor cancel.
        peaked = (
            -2 * kappa * ((orientation - self.mean) / 2).sin().square()
            - torch.special.i0e(kappa).log()
        )
        mixed = torch.logaddexp(
            peaked + math.log1p(-self.uniform), torch.full_like(peaked, math.log(self.uniform))
        )
        return mixed - math.log(2 * math.pi)

    def _kappa(self) -> Tensor:
        return self.concentration.clamp(MIN_CONCENTRATION, MAX_CONCENTRATION)


def best_fisher(kappa: Tensor, uniform: Tensor) -> Tensor:
    """Absolute von Mises angles by the rejection method of Best and Fisher (1979), with a fixed
    number of attempts.

    Args:
        kappa: (...) > 0, float64 (in float32 small and large concentrations lose all digits).
        uniform: (2, A, S, ...) uniform numbers; of A attempts the first accepted wins.

    Returns:
        (S, ...) in [0, pi]; the distribution is symmetric.
    """
    tau = 1 + (1 + 4 * kappa * kappa).sqrt()
    rho = (tau - (2 * tau).sqrt()) / (2 * kappa)
    ratio = (1 + rho * rho) / (2 * rho)
    cos = (math.pi * uniform[0]).cos()
    proposed = (1 + ratio * cos) / (ratio + cos)
    test = kappa * (ratio - proposed)
    accepted = (test / uniform[1]).log() + 1 - test >= 0
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    return proposed.gather(0, first)[0].clamp(-1, 1).acos()
