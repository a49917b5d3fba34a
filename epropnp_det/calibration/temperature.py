"""The temperature of a predicted distribution, by class and by distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from epropnp_det.errors import UserError


@dataclass(frozen=True)
class Temperatures:
    """T of p(y|X)^(1/T) for each object: log T = base + by_class + slope log(distance / reference).

    With a tail the distribution is a mixture: a share of it has the temperature T times a factor.
    Errors of networks have heavier tails than any one temperature gives.

    Args:
        base: log T of all objects.
        by_class: what each class adds; a class beyond its end, or -1, adds nothing.
        slope: change of log T with the logarithm of the distance.
        reference: distance [m] at which the slope adds nothing.
        limits: least and greatest T.
        tail_share: share of the tail, in [0, 1).
        tail_factor: factor of its temperature, at least 1.

    Raises:
        UserError: a number that is not finite or out of range.
    """

    base: float = 0.0
    by_class: tuple[float, ...] = ()
    slope: float = 0.0
    reference: float = 1.0
    limits: tuple[float, float] = (0.25, 32.0)
    tail_share: float = 0.0
    tail_factor: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.base, *self.by_class, self.slope, *self.limits, self.tail_factor)
        in_range = (
            0 < self.reference < math.inf
            and 0 < self.limits[0] <= self.limits[1]
            and 0 <= self.tail_share < 1 <= self.tail_factor
        )
        if not in_range or not all(map(math.isfinite, numbers)):
            raise UserError(f"these are no temperatures: {self}; calibrate the checkpoint again")

    @classmethod
    def from_plain(cls, value: Mapping[str, Any]) -> Temperatures:
        """The inverse of `to_plain`."""
        lists = {name: tuple(value[name]) for name in ("by_class", "limits")}
        return cls(**{**value, **lists})

    def to_plain(self) -> dict[str, Any]:
        """Numbers and lists by name."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @property
    def spread(self) -> float:
        """Covariance of the mixture over that of its first part."""
        return 1 + self.tail_share * (self.tail_factor - 1)

    def at(self, label: Tensor, distance: Tensor) -> Tensor:
        """T (n,) of objects with the label (n,) at the distance (n,) [m]."""
        offsets = distance.new_tensor((*self.by_class, 0.0))
        is_known = (label >= 0) & (label < len(self.by_class))
        offset = offsets[torch.where(is_known, label, len(self.by_class))]
        ratio = (distance / self.reference).clamp(min=torch.finfo(distance.dtype).tiny)
        exponent = self.base + offset + self.slope * ratio.log()
        return exponent.exp().clamp(*self.limits)
