"""Ranges of distance from the camera, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def distance_ranges(edges: Sequence[float]) -> dict[str, tuple[float, float]]:
    """The ranges between the edges, m, from 0 to infinity.

    >>> distance_ranges([20, 40])
    {'0-20 m': (0.0, 20), '20-40 m': (20, 40), '40+ m': (40, inf)}
    """
    ends = pairwise((0.0, *edges, math.inf))
    return {
        f"{low:g}+ m" if math.isinf(high) else f"{low:g}-{high:g} m": (low, high)
        for low, high in ends
    }


def check_edges(edges: Sequence[float]) -> None:
    """Raises ValueError for edges that do not rise from above 0."""
    if any(not 0 <= low < high < math.inf for low, high in pairwise((0.0, *edges))):
        raise ValueError(f"edges must be positive and rise, not {tuple(edges)}")
