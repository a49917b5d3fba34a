"""Measures of point sets: the corners of the convex hull, and the diameter."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError


def convex_corners(points: np.ndarray) -> np.ndarray:
    """The corners (M, 3) of the convex hull of (N, 3); all points where there is no volume."""
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return points


def diameter_of(points: np.ndarray) -> float:
    """The largest distance between two of the points (N, 3)."""
    corners = convex_corners(points)
    return max(float(np.linalg.norm(corners - corner, axis=1).max()) for corner in corners)
