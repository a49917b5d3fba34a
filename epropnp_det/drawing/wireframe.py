"""Edges of 3D boxes, projected to the image and clipped at the near plane.

Boxes come as their eight corners (8, 3) in the camera frame: x right, y down, z forward, m. Corners
0-3 are the rear face, corners 4-7 the front face, the side to which the object is heading; both run
around the object in the same order, beginning with the two upper corners.
"""

from __future__ import annotations

import numpy as np

NEAR = 0.1  # m; points closer to the image plane cannot be drawn

FRONT = (4, 5, 6, 7)
FOOTPRINT = (5, 4, 0, 1)  # corners of the top face, around the object, the front side first
EDGES = np.array(
    [[4, 5], [5, 6], [6, 7], [7, 4], [0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 5], [2, 6], [3, 7]]
)
FRONT_DIAGONALS = np.array([[4, 6], [5, 7]])


def project_segments(segments: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Segments (n, 2, 3) m -> the part in front of the camera on the image, (m, 2, 2) px, m <= n.

    A segment that crosses the near plane is cut there; one wholly behind it is left out.
    """
    visible = segments[(segments[:, :, 2] > NEAR).any(axis=1)]
    start = visible[:, 0]
    end = visible[:, 1]
    ends = np.stack([_cut_at_near(start, end), _cut_at_near(end, start)], axis=1)
    projected = ends @ np.asarray(matrix, dtype=np.float64).T
    return projected[..., :2] / projected[..., 2:]


def _cut_at_near(point: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`point` (n, 3), moved towards `other` onto the near plane where it lies behind."""
    behind = point[:, 2:] < NEAR
    step = np.where(behind, other[:, 2:] - point[:, 2:], 1.0)
    fraction = np.where(behind, (NEAR - point[:, 2:]) / step, 0.0)
    return point + fraction * (other - point)
