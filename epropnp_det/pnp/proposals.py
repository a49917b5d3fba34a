"""Proposal distributions of the importance sampler. All are records of parameters (...), frozen and outside the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .linalg import identity, safe_cholesky
from .records import Record

# Best-Fisher accepts a proposal with probability > 0.65 at any concentration: all of these fail once in 10^7 draws.
ATTEMPTS = 16
MIN_CONCENTRATION, MAX_CONCENTRATION = 1e-5, 1e8


@dataclass(frozen=True)
class StudentT(Record):
    """Multivariate Student-t over R^D, here for translations [m].

    Args:
        mean: (..., D).
        factor: (..., D, D), lower Cholesky factor of the scale matrix (the covariance is df / (df - 2) times the scale).
        df: degrees of freedom, an integer.
    """

    mean: Tensor
    factor: Tensor
    df: int = 3

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (number, ..., D)."""
        normal = _normal(self.mean, (number, *self.mean.shape), generator)
        chi2 = _normal(self.mean, (number, *self.mean.shape[:-1], self.df), generator).square().sum(-1)
        # A float32 normal may come out as exactly zero, but not three of them; the clamp is for df = 1.
        spread = (self.df / chi2.clamp(min=torch.finfo(chi2.dtype).tiny)).sqrt()
        return self.mean + (self.factor @ (normal * spread[..., None])[..., None])[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (S, ...) at values (S, ..., D)."""
        dims, df = self.mean.shape[-1], self.df
        inverse = torch.linalg.solve_triangular(self.factor, identity(self.factor), upper=False)
        squared = (inverse * (value - self.mean)[..., None, :]).sum(-1).square().sum(-1)
        log_volume = self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = math.lgamma((df + dims) / 2) - math.lgamma(df / 2) - dims / 2 * math.log(df * math.pi)
        return constant - log_volume - (df + dims) / 2 * (squared / df).log1p()


@dataclass(frozen=True)
class VonMisesUniform(Record):
    """Mixture over angles [rad]: von Mises with weight 1 - `uniform`, and uniform over the circle.

    Args:
        mean: (...).
        concentration: (...), kappa; clamped to [1e-5, 1e8].
        uniform: weight of the uniform part.
    """

    mean: Tensor
    concentration: Tensor
    uniform: float = 0.25

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws (number, ...) within pi of the mean."""
        shape = (number, *self.mean.shape)
        kappa = self._kappa().double()
        peaked = best_fisher(kappa, _uniform(kappa, (2, ATTEMPTS, *shape), generator))
        side, flat, part = _uniform(kappa, (3, *shape), generator)
        angle = torch.where(part < self.uniform, flat * math.pi, peaked).copysign(side - 0.5)
        return self.mean + angle.to(self.mean.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (S, ...) at angles (S, ...), of any winding."""
        kappa = self._kappa()
        # kappa cos(d) - log I0(kappa), with e^kappa taken out of both so that large concentrations neither overflow nor cancel.
        peaked = -2 * kappa * ((value - self.mean) / 2).sin().square() - torch.special.i0e(kappa).log()
        mixed = torch.logaddexp(peaked + math.log1p(-self.uniform), torch.full_like(peaked, math.log(self.uniform)))
        return mixed - math.log(2 * math.pi)

    def _kappa(self) -> Tensor:
        return self.concentration.clamp(MIN_CONCENTRATION, MAX_CONCENTRATION)


def best_fisher(kappa: Tensor, uniform: Tensor) -> Tensor:
    """Absolute von Mises angles by the rejection method of Best and Fisher (1979), with a fixed number of attempts.

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


def _normal(like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)


@dataclass(frozen=True)
class YawProposal(Record):
    """Independent proposal for 4DoF poses: Student-t (df 3) translation, von Mises and uniform yaw (Section 3.2).

    `broken` (...) flags objects for which no scale matrix could be factorised.
    """

    translation: StudentT
    yaw: VonMisesUniform
    broken: Tensor

    @classmethod
    def laplace(cls, pose: Tensor, covariance: Tensor) -> YawProposal:
        """First proposal, from an estimate (..., 4) and its covariance (..., 4, 4)."""
        factor, broken = safe_cholesky(covariance[..., :3, :3])
        concentration = 0.33 / covariance[..., 3, 3].clamp(min=1 / MAX_CONCENTRATION)
        return cls(StudentT(pose[..., :3], factor), VonMisesUniform(pose[..., 3], concentration), broken)

    def refit(self, pose: Tensor, log_weights: Tensor) -> YawProposal:
        """The proposal fitted to weighted samples (S, ..., 4), (S, ...); objects where that breaks keep this one."""
        weight = log_weights.softmax(0)
        translation, broken = _fit_student_t(pose[..., :3], weight)
        yaw = _fit_von_mises(pose[..., 3], weight)
        keep = broken | ~yaw.concentration.isfinite()
        return self.where(keep, YawProposal(translation, yaw, self.broken))

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Poses (number, ..., 4)."""
        translation = self.translation.sample(number, generator)
        return torch.cat((translation, self.yaw.sample(number, generator)[..., None]), dim=-1)

    def log_prob(self, pose: Tensor) -> Tensor:
        """Log density (S, ...) of poses (S, ..., 4), per m^3 rad."""
        return self.translation.log_prob(pose[..., :3]) + self.yaw.log_prob(pose[..., 3])


def _fit_student_t(translation: Tensor, weight: Tensor) -> tuple[StudentT, Tensor]:
    """Mean and covariance of weighted translations (S, ..., 3), (S, ...), and (...) True where they cannot be factorised."""
    mean = (weight[..., None] * translation).sum(0)
    arm = (translation - mean) * weight[..., None].sqrt()
    covariance = torch.einsum("s...i,s...j->...ij", arm, arm)
    # All weight on few samples leaves a flat or empty ellipsoid: keep a millionth of its size in every direction.
    floor = 1e-6 * covariance.diagonal(dim1=-2, dim2=-1).mean(-1) + 1e-8
    factor, broken = safe_cholesky(covariance + torch.diag_embed(floor[..., None].expand_as(mean)))
    return StudentT(mean, factor), broken


def _fit_von_mises(yaw: Tensor, weight: Tensor) -> VonMisesUniform:
    """Mean direction and concentration of weighted angles (S, ...), from their resultant length r."""
    mean = torch.atan2((weight * yaw.sin()).sum(0), (weight * yaw.cos()).sum(0))
    # 1 - r through half angles: r itself would round to one for narrow distributions.
    gap = (2 * weight * ((yaw - mean) / 2).sin().square()).sum(0).clamp(1 / MAX_CONCENTRATION, 1)
    length = 1 - gap
    return VonMisesUniform(mean, 0.33 * length * (2 - length.square()) / (gap * (1 + length)))
