"""Proposal distributions of the importance sampler. All are records of parameters (...), frozen and outside the graph.

Each is made in two ways, with a flag (...) for objects where that fails: `laplace` from an estimate and its covariance,
and `fit` from weighted samples.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from . import quaternion
from .linalg import identity, safe_cholesky
from .records import Record

# Best-Fisher accepts a proposal with probability > 0.65 at any concentration: all of these fail once in 10^7 draws.
ATTEMPTS = 16
MIN_CONCENTRATION, MAX_CONCENTRATION = 1e-5, 1e8
# Rounds of Tyler's fixed point, and how much of a sphere is mixed into the ellipsoid it finds.
TYLER_ROUNDS, DISPERSION = 3, 0.001
# Weights that all fall on few samples leave a flat or empty ellipsoid. In translation a millionth of its size and a tenth of a
# millimetre are kept in every direction ...
FLAT, EMPTY = 1e-6, 1e-8
# ... in orientation a ten-thousandth of a radian.
FLAT_SPHERE = 1e-8


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

    @classmethod
    def laplace(cls, mean: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From an estimate (..., D) and its covariance (..., D, D), which becomes the scale matrix."""
        factor, broken = safe_cholesky(covariance)
        return cls(mean, factor), broken

    @classmethod
    def fit(cls, value: Tensor, weight: Tensor) -> tuple[Self, Tensor]:
        """Mean and covariance of values (S, ..., D) with normalised weights (S, ...)."""
        mean = (weight[..., None] * value).sum(0)
        covariance = _scatter(value - mean, weight)
        floor = FLAT * covariance.diagonal(dim1=-2, dim2=-1).mean(-1) + EMPTY
        return cls.laplace(mean, covariance + torch.diag_embed(floor[..., None].expand_as(mean)))

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
        squared, log_volume = _standardise(self.factor, value - self.mean)
        constant = math.lgamma((df + dims) / 2) - math.lgamma(df / 2) - dims / 2 * math.log(df * math.pi)
        return constant - log_volume - (df + dims) / 2 * (squared / df).log1p()


class Orientation(Record, ABC):
    """Base of the distributions over orientations."""

    @classmethod
    @abstractmethod
    def laplace(cls, orientation: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From an estimate and its covariance (..., K, K) in the tangent."""

    @classmethod
    @abstractmethod
    def fit(cls, orientation: Tensor, weight: Tensor) -> tuple[Self, Tensor]:
        """From orientations with normalised weights (S, ...)."""

    @abstractmethod
    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws, with `number` in front of the batch dims."""

    @abstractmethod
    def log_prob(self, orientation: Tensor) -> Tensor:
        """Log density (S, ...)."""


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
        gap = (2 * weight * ((orientation - mean) / 2).sin().square()).sum(0).clamp(1 / MAX_CONCENTRATION, 1)
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
        # kappa cos(d) - log I0(kappa), with e^kappa taken out of both so that large concentrations neither overflow nor cancel.
        peaked = -2 * kappa * ((orientation - self.mean) / 2).sin().square() - torch.special.i0e(kappa).log()
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


@dataclass(frozen=True)
class AngularCentralGaussian(Orientation):
    """Angular central Gaussian over unit quaternions (Tyler 1987): the directions of a Gaussian of four variables.

    Its density per unit area of the sphere S^3, |L|^(-1/2) (q^T L^-1 q)^-2 / (2 pi^2), is the same at q and -q. Around a
    narrow mode it is a Student-t with one degree of freedom in the tangent.

    Args:
        frame: (..., 4, 4), `quaternion.basis` of an orientation near the mode: what is narrow is small in this frame, and
            keeps its digits there.
        factor: (..., 4, 4), lower Cholesky factor of the Gaussian's covariance L in that frame, of any overall size.
    """

    frame: Tensor
    factor: Tensor

    @classmethod
    def laplace(cls, orientation: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From a quaternion (..., 4) and its covariance C (..., 3, 3) in the tangent.

        L is 1 along the quaternion and (C^-1 + I)^-1 across: C where that is small, uniform where it is large.
        """
        eye = identity(covariance)
        across = torch.linalg.solve_ex(covariance + eye, covariance)[0]
        shape = torch.nn.functional.pad((across + across.mT) / 2, (1, 0, 1, 0))
        shape = shape + torch.nn.functional.pad(torch.ones_like(shape[..., :1, :1]), (0, 3, 0, 3))
        return cls._dispersed(quaternion.basis(orientation / orientation.norm(dim=-1, keepdim=True)), shape)

    @classmethod
    def fit(cls, orientation: Tensor, weight: Tensor) -> tuple[Self, Tensor]:
        """Maximum likelihood for quaternions (S, ..., 4), by Tyler's fixed point from the sphere."""
        heaviest = weight.argmax(0)[None, ..., None].expand(1, *orientation.shape[1:])
        frame = quaternion.basis(orientation.gather(0, heaviest)[0])
        local = _in_frame(frame, orientation)
        shape = identity(frame).expand_as(frame)
        for _ in range(TYLER_ROUNDS):
            squared, _ = _standardise(safe_cholesky(shape)[0], local)
            shape = _scatter(local, weight / squared)
            shape = shape / shape.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None] + FLAT_SPHERE * identity(shape)
        return cls._dispersed(frame, shape)

    @classmethod
    def _dispersed(cls, frame: Tensor, shape: Tensor) -> tuple[Self, Tensor]:
        """L + DISPERSION |L|^(1/4) I: no direction is much narrower than the others together."""
        first, broken = safe_cholesky(shape)
        size = (first.diagonal(dim1=-2, dim2=-1).log().mean(-1) * 2).exp()
        factor, _ = safe_cholesky(shape + DISPERSION * size[..., None, None] * identity(shape))
        return cls(frame, torch.where(broken[..., None, None], first, factor)), broken

    def sample(self, number: int, generator: torch.Generator | None = None) -> Tensor:
        """Unit quaternions (number, ..., 4)."""
        normal = _normal(self.frame, (number, *self.frame.shape[:-1]), generator)
        drawn = (self.frame @ (self.factor @ normal[..., None]))[..., 0]
        return drawn / drawn.norm(dim=-1, keepdim=True)

    def log_prob(self, orientation: Tensor) -> Tensor:
        """Log density (S, ...) of unit quaternions (S, ..., 4), per unit area of S^3."""
        squared, log_volume = _standardise(self.factor, _in_frame(self.frame, orientation))
        return -log_volume - 2 * squared.log() - math.log(2 * math.pi**2)


def _in_frame(frame: Tensor, value: Tensor) -> Tensor:
    """frame^T value (S, ..., D), for values (S, ..., D)."""
    return (value[..., None, :] @ frame)[..., 0, :]


def _standardise(factor: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """|factor^-1 value|^2 (S, ...) of values (S, ..., D), and log |factor| (...)."""
    inverse = torch.linalg.solve_triangular(factor, identity(factor), upper=False)
    squared = (inverse * value[..., None, :]).sum(-1).square().sum(-1)
    return squared, factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _scatter(value: Tensor, weight: Tensor) -> Tensor:
    """sum_s w_s v_s v_s^T (..., D, D) of values (S, ..., D) and weights (S, ...)."""
    arm = value * weight[..., None].sqrt()
    return torch.einsum("s...i,s...j->...ij", arm, arm)


def _normal(like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)


def _uniform(like: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)
