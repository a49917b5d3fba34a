"""Weighted 2D-3D points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from . import ops
from ._constants import LARGEST, LARGEST_OFFSET
from ._records import InputRecord, real_tensors
from .ops import torch_impl
from .ops.cpu import library


@dataclass(frozen=True)
class Correspondences(InputRecord):
    """Weighted 2D-3D points of objects.

    Args:
        x3d: (..., N, 3) object coordinates [m].
        x2d: (..., N, 2) pixels, x and y.
        w2d: (..., N, 2) >= 0, [1/px]: multiplies the reprojection error, Eq. (1). Not a variance,
            and not its inverse.
        mask: (..., N), False (or 0) for points that do not exist; they enter no statistic. None:
            all points exist.

    All may be tensors, arrays or nested lists; they become float32 tensors, or float64 where one of
    them is. Masked points become zeros. An object with a NaN, an infinity, a negative weight or an
    absurd magnitude in any of its points (more than 1e6 m from the mean of its points, 1e6 px or
    1e6 1/px) becomes all zeros, which `PnPProblem.usable` reports: its gradient is then zero
    instead of NaN, and the other objects of the batch are not affected.

    Raises:
        ValueError: shapes or devices that do not belong together, or values that are no real
            numbers.

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
        values = real_tensors(x3d=self.x3d, x2d=self.x2d, w2d=self.w2d)
        mask = None if self.mask is None else _as_mask(self.mask, values["x3d"].device)
        _check_shapes(values["x3d"], {**values, "mask": mask})
        x3d, x2d, w2d = _sanitized(values["x3d"], values["x2d"], values["w2d"], mask)
        self._set(x3d=x3d, x2d=x2d, w2d=w2d, mask=mask)

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
        return torch_impl.counts(self.x3d, self.mask)

    def mean_x3d(self) -> Tensor:
        """Mean object point (..., 3) over the points that exist, detached."""
        return torch_impl.mean_of_existing(self.x3d, self.mask)

    def spread(self) -> Tensor:
        """Smaller of the weighted variances of x3d [m^2] and x2d [px^2] (...): zero where no pose
        can be found.
        """
        return torch_impl.spread(self.x3d, self.x2d, self.w2d)

    def breadth(self) -> Tensor:
        """Weighted variance of x3d [m^2] across the line from their mean to the farthest (...):
        zero for points on one line.
        """
        return torch_impl.breadth(self.x3d, self.w2d)


def _as_mask(mask: Any, device: torch.device) -> Tensor:
    given = mask if isinstance(mask, Tensor) else torch.as_tensor(mask, device=device)
    if given.device != device:
        raise ValueError(f"mask is on {given.device}, but x3d is on {device}; move it there")
    return given if given.dtype == torch.bool else given > 0


def _check_shapes(x3d: Tensor, values: dict[str, Tensor | None]) -> None:
    points = tuple(x3d.shape[:-1])
    if x3d.ndim >= 2 and x3d.shape[-1] != 3 and x3d.shape[-2] == 3:
        raise ValueError(
            f"x3d has shape {tuple(x3d.shape)}, which is transposed: it must be (..., N, 3), one "
            "point per row; give x3d.mT"
        )
    if not points or points[-1] == 0:
        raise ValueError(
            f"x3d must be (..., N, 3), N > 0 (mask points that are missing), not {tuple(x3d.shape)}"
        )
    shapes = {"x3d": (*points, 3), "x2d": (*points, 2), "w2d": (*points, 2), "mask": points}
    for name, shape in shapes.items():
        value = values[name]
        if value is not None and tuple(value.shape) != shape:
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, but {shape} goes with x3d of shape "
                f"{tuple(x3d.shape)}"
            )


def _sanitized(
    x3d: Tensor, x2d: Tensor, w2d: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """x3d, x2d and w2d with zeros for masked points and broken objects. Nothing is copied where
    nothing has to be removed.
    """
    if mask is None and ops.reads_values(x3d, x2d, w2d):
        # Half of it: the limit of x3d counts from the mean of the points.
        close = library.within(x3d, -LARGEST / 2, LARGEST / 2)
        if close and library.within(x2d, -LARGEST, LARGEST) and library.within(w2d, 0, LARGEST):
            return x3d, x2d, w2d
    exists = torch.ones_like(x3d[..., 0], dtype=torch.bool) if mask is None else mask
    existing = x3d.detach().masked_fill(~exists[..., None], 0)
    arm = existing - torch_impl.mean_of_existing(existing, mask)[..., None, :]
    bounded = (
        (arm.abs() <= LARGEST).all(-1)
        & (existing.abs() <= LARGEST_OFFSET).all(-1)
        & (x2d.abs() <= LARGEST).all(-1)
        & ((w2d >= 0) & (w2d <= LARGEST)).all(-1)
    )
    remove = ~(exists & (bounded | ~exists).all(-1, keepdim=True))[..., None]
    return x3d.masked_fill(remove, 0), x2d.masked_fill(remove, 0), w2d.masked_fill(remove, 0)
