"""Draws, and the algebra of ellipsoids that the proposals share."""

from __future__ import annotations

import torch
from torch import Tensor

from .._linalg import identity


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
