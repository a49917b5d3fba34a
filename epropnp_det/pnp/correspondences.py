"""Weighted 2D-3D points, and what may go wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import ops
from ._records import Record, at_least_float32

# A magnitude (metres, pixels or 1/pixels) no measurement reaches, small enough that all squares and
# sums stay finite.
LARGEST = 1e6
# Variances [m^2], [px^2] and thresholds below this count as zero: the points coincide.
SMALLEST = 1e-10
VALUES = ("x3d", "x2d", "w2d")


@dataclass(frozen=True)
class Correspondences(Record):
    """Weighted 2D-3D points of objects.

    Args:
        x3d: (..., N, 3) object coordinates [m].
        x2d: (..., N, 2) pixels, x and y.
        w2d: (..., N, 2) >= 0, [1/px]: multiplies the reprojection error, Eq. (1). Not a variance,
            and not its inverse.
        mask: (..., N), False for points that do not exist; they enter no statistic. None: all
            points exist.

    Masked points become zeros. An object with a NaN, an infinity or an absurd magnitude in any of
    its points becomes all zeros, which `PnPProblem.usable` reports: its gradient is then zero
    instead of NaN, and its neighbours never notice. Half precision becomes float32.

    Raises:
        ValueError: shapes that do not belong together.

    Example:
        Two objects of four points; the second object has only three.

        >>> mask = torch.ones(2, 4, dtype=torch.bool)
        >>> mask[1, 3] = False
        >>> w2d = torch.full((2, 4, 2), 0.5)
        >>> points = Correspondences(torch.rand(2, 4, 3), torch.rand(2, 4, 2) * 100, w2d, mask)
        >>> points.w2d[1, 3]
        tensor([0., 0.])
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    mask: Tensor | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        for name in VALUES:
            object.__setattr__(self, name, at_least_float32(getattr(self, name)))
        for name, value in zip(VALUES, ops.choose("clean", self).clean(self)):
            object.__setattr__(self, name, value)

    def _check_shapes(self) -> None:
        points = self.x3d.shape[:-1]
        if not points or points[-1] == 0:
            raise ValueError(
                f"x3d must be (..., N, 3), N > 0 (mask points that are missing), not {tuple(self.x3d.shape)}"
            )
        shapes = {
            "x3d": (*points, 3),
            "x2d": (*points, 2),
            "w2d": (*points, 2),
            "mask": tuple(points),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(
                    f"{name} has shape {tuple(value.shape)}, but {shape} goes with x3d of shape {tuple(self.x3d.shape)}"
                )

    def cleaned(self) -> tuple[Tensor, Tensor, Tensor]:
        """x3d, x2d and w2d with zeros for masked points and broken objects, in plain torch."""
        values = (self.x3d, self.x2d, self.w2d)
        exists = (
            torch.ones_like(self.x3d[..., 0], dtype=torch.bool) if self.mask is None else self.mask
        )
        sound = torch.stack([(value.abs() <= LARGEST).all(-1) for value in values]).all(0) & (
            self.w2d >= 0
        ).all(-1)
        remove = ~(exists & (sound | ~exists).all(-1, keepdim=True))[..., None]
        return (
            self.x3d.masked_fill(remove, 0),
            self.x2d.masked_fill(remove, 0),
            self.w2d.masked_fill(remove, 0),
        )

    @property
    def shape(self) -> torch.Size:
        """The batch dims `...`."""
        return self.x3d.shape[:-2]

    @property
    def device(self) -> torch.device:
        return self.x3d.device

    @property
    def dtype(self) -> torch.dtype:
        return self.x3d.dtype

    def counts(self) -> Tensor:
        """1 where a point exists, else 0: (..., N)."""
        return (
            torch.ones_like(self.x3d[..., 0]) if self.mask is None else self.mask.to(self.x3d.dtype)
        )

    def mean_x3d(self) -> Tensor:
        """Mean object point (..., 3) over the points that exist, detached."""
        counts = self.counts()
        return self.x3d.detach().mul(counts[..., None]).sum(-2) / counts.sum(
            -1, keepdim=True
        ).clamp(min=1)

    def spread(self) -> Tensor:
        """Smaller of the weighted variances of x3d [m^2] and x2d [px^2] (...): zero where no pose
        can be found.
        """
        weight = self._shares()
        return torch.minimum(
            _variance(self.x3d.detach(), weight), _variance(self.x2d.detach(), weight)
        )

    def breadth(self) -> Tensor:
        """Weighted variance of x3d [m^2] across the line from their mean to the farthest (...):
        zero for points on one line.
        """
        weight = self._shares()
        arm = self.x3d.detach() - (self.x3d.detach() * weight).sum(-2, keepdim=True)
        length = arm.norm(dim=-1, keepdim=True) * (weight > 0)
        longest = length.argmax(-2, keepdim=True)
        line = arm.gather(-2, longest.expand(*longest.shape[:-1], 3)) / length.amax(
            -2, keepdim=True
        ).clamp(min=SMALLEST)
        return _variance(arm - (arm * line).sum(-1, keepdim=True) * line, weight)

    def _shares(self) -> Tensor:
        """Weights of the points (..., N, 1), both axes together, summing to one."""
        weight = self.w2d.detach().sum(-1, keepdim=True)
        return weight / weight.sum(-2, keepdim=True).clamp(min=SMALLEST)


def _variance(points: Tensor, weight: Tensor) -> Tensor:
    mean = (points * weight).sum(-2, keepdim=True)
    return ((points - mean).square() * weight).sum((-2, -1))
