"""Corners and edges of 3D boxes, projected to the image and clipped at the near plane."""

from __future__ import annotations

import numpy as np

NEAR = 0.1  # m; what is nearer to the image plane cannot be drawn

# Corners 0-3 are the front face (+x, where the object is heading), 4-7 the back face; both run
# alike around the object.
_CORNER_SIGNS = np.array(
    [
        [1, 1, 1],
        [1, 1, -1],
        [1, -1, -1],
        [1, -1, 1],
        [-1, 1, 1],
        [-1, 1, -1],
        [-1, -1, -1],
        [-1, -1, 1],
    ],
    dtype=np.float64,
)
_EDGES = np.array(
    [[0, 1], [1, 2], [2, 3], [3, 0], [4, 5], [5, 6], [6, 7], [7, 4], [0, 4], [1, 5], [2, 6], [3, 7]]
)
_FRONT_DIAGONALS = np.array([[0, 2], [1, 3]])


def yaw_matrix(yaw: np.ndarray) -> np.ndarray:
    """Rotation about the camera's y axis: (...) rad -> (..., 3, 3)."""
    cos, sin, zero = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)
    rows = [[cos, zero, sin], [zero, zero + 1, zero], [-sin, zero, cos]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def box_corners(pose: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Corners in the camera frame: pose (..., 4), size (..., 3) -> (..., 8, 3) m; the first four
    are the side it is heading to.
    """
    pose, size = np.asarray(pose, dtype=np.float64), np.asarray(size, dtype=np.float64)
    local = 0.5 * size[..., None, :] * _CORNER_SIGNS
    return local @ np.swapaxes(yaw_matrix(pose[..., 3]), -1, -2) + pose[..., None, :3]


def project_segments(segments: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Segments (n, 2, 3) m -> the part in front of the camera on the image, (m, 2, 2) px, m <= n.

    A segment that crosses the near plane is cut there; one wholly behind it is left out.
    """
    visible = segments[(segments[:, :, 2] > NEAR).any(axis=1)]
    start, end = visible[:, 0], visible[:, 1]
    ends = np.stack([_cut_at_near(start, end), _cut_at_near(end, start)], axis=1)
    projected = ends @ np.asarray(matrix, dtype=np.float64).T
    return projected[..., :2] / projected[..., 2:]


def _cut_at_near(point: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`point` (n, 3), moved towards `other` onto the near plane where it lies behind."""
    behind = point[:, 2:] < NEAR
    step = np.where(behind, other[:, 2:] - point[:, 2:], 1.0)
    fraction = np.where(behind, (NEAR - point[:, 2:]) / step, 0.0)
    return point + fraction * (other - point)
