"""Multivariate Student-t proposal for translations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .._linalg import safe_cholesky
from .._records import Record
from ._gaussian import _normal, _scatter, _standardise

# Weights that all fall on few samples leave a flat or empty ellipsoid: a millionth of its size and
# a tenth of a millimetre are kept in every direction.
FLAT = 1e-6
EMPTY = 1e-8


@dataclass(frozen=True)
class StudentT(Record):
    """Multivariate Student-t over R^D, here for translations [m].

    Args:
        mean: (..., D).
        factor: (..., D, D), lower Cholesky factor of the scale matrix (the covariance is df / (df -
            2) times the scale).
        df: degrees of freedom, an integer.
    """

    mean: Tensor
    factor: Tensor
    df: int = 3

    @classmethod
    def laplace(cls, mean: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From an estimate (..., D) and its covariance (..., D, D), which becomes the scale
        matrix.
        """
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
        chi2 = (
            _normal(self.mean, (number, *self.mean.shape[:-1], self.df), generator).square().sum(-1)
        )
        # A float32 normal may come out as exactly zero, but not three of them; the clamp is for df
        # = 1.
        spread = (self.df / chi2.clamp(min=torch.finfo(chi2.dtype).tiny)).sqrt()
        return self.mean + (self.factor @ (normal * spread[..., None])[..., None])[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density (S, ...) at values (S, ..., D)."""
        dims = self.mean.shape[-1]
        df = self.df
        squared, log_volume = _standardise(self.factor, value - self.mean)
        constant = (
            math.lgamma((df + dims) / 2) - math.lgamma(df / 2) - dims / 2 * math.log(df * math.pi)
        )
        return constant - log_volume - (df + dims) / 2 * (squared / df).log1p()
