"""Angular central Gaussian proposal for unit quaternions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from .. import _quaternion
from .._linalg import identity, safe_cholesky
from ._gaussian import _normal, _scatter, _standardise
from .orientation import Orientation

# Rounds of Tyler's fixed point, and how much of a sphere is mixed into the ellipsoid it finds.
TYLER_ROUNDS = 3
DISPERSION = 0.001
# Weights that all fall on few samples leave a flat ellipsoid: a ten-thousandth of a radian is kept
# in every direction.
FLAT_SPHERE = 1e-8


@dataclass(frozen=True)
class AngularCentralGaussian(Orientation):
    """Angular central Gaussian over unit quaternions (Tyler 1987): the directions of a Gaussian of
    four variables.

    Its density per unit area of the sphere S^3, |L|^(-1/2) (q^T L^-1 q)^-2 / (2 pi^2), is the same
    at q and -q. Around a narrow mode it is a Student-t with one degree of freedom in the tangent.

    Args:
        frame: (..., 4, 4), `_quaternion.basis` of an orientation near the mode: what is narrow is
            small in this frame, and keeps its digits there.
        factor: (..., 4, 4), lower Cholesky factor of the Gaussian's covariance L in that frame, of
            any overall size.
    """

    frame: Tensor
    factor: Tensor

    @classmethod
    def laplace(cls, orientation: Tensor, covariance: Tensor) -> tuple[Self, Tensor]:
        """From a quaternion (..., 4) and its covariance C (..., 3, 3) in the tangent.

        L is 1 along the quaternion and (C^-1 + I)^-1 across: C where that is small, uniform where
        it is large.
        """
        eye = identity(covariance)
        across = torch.linalg.solve_ex(covariance + eye, covariance)[0]
        shape = torch.nn.functional.pad((across + across.mT) / 2, (1, 0, 1, 0))
        shape = shape + torch.nn.functional.pad(torch.ones_like(shape[..., :1, :1]), (0, 3, 0, 3))
        return cls._dispersed(
            _quaternion.basis(orientation / orientation.norm(dim=-1, keepdim=True)), shape
        )

    @classmethod
    def fit(cls, orientation: Tensor, weight: Tensor) -> tuple[Self, Tensor]:
        """Maximum likelihood for quaternions (S, ..., 4), by Tyler's fixed point from the
        sphere.
        """
        heaviest = weight.argmax(0)[None, ..., None].expand(1, *orientation.shape[1:])
        frame = _quaternion.basis(orientation.gather(0, heaviest)[0])
        local = _in_frame(frame, orientation)
        shape = identity(frame).expand_as(frame)
        for _ in range(TYLER_ROUNDS):
            squared, _ = _standardise(safe_cholesky(shape)[0], local)
            shape = _scatter(local, weight / squared)
            shape = shape / shape.diagonal(dim1=-2, dim2=-1).sum(-1)[
                ..., None, None
            ] + FLAT_SPHERE * identity(shape)
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
