"""Interface of the proposal densities for orientations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from .._records import Record


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
