"""Reprojection errors that compare across distances and sizes of objects."""

from __future__ import annotations

from torch import Tensor


def projection_error(
    difference: Tensor, distance: Tensor, size: Tensor, focal: Tensor, relative: float = 0.2
) -> Tensor:
    """Difference of two pixels on an object as a share of the object's size: difference * distance
    / (relative * mean size * focal).

    Args:
        difference: (M, ..., 2) px.
        distance: (M,) of the object from the camera, m.
        size: (M, 3) l, h, w, m.
        focal: (M,) px.
        relative: share of the mean of l, h, w that counts as an error of one.

    Returns:
        (M, ..., 2), no unit.
    """
    factor = distance / (relative * size.mean(-1) * focal)
    return difference * factor.view(-1, *[1] * (difference.dim() - 1))
