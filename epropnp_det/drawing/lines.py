"""Line segments on pictures. Image points are continuous: pixel (row i, column j) has its centre at
(j + 0.5, i + 0.5).
"""

from __future__ import annotations

import cv2
import numpy as np

SUBPIXEL_BITS = 4  # of OpenCV's fixed-point coordinates
_DASH = 9.0  # px


def clip_to(segments: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The parts of (n, 2, 2) px segments inside the picture (Liang and Barsky's parametric
    clipping).
    """
    height, width = shape[:2]
    start = segments[:, 0]
    direction = segments[:, 1] - segments[:, 0]
    limits = np.array([width, height], dtype=np.float64)
    moving = np.abs(direction) > 1e-12
    safe = np.where(moving, direction, 1.0)
    inside = (start >= 0) & (start <= limits)
    first = np.where(moving, -start / safe, np.where(inside, -np.inf, np.inf))
    last = np.where(moving, (limits - start) / safe, np.where(inside, np.inf, -np.inf))
    enter = np.minimum(first, last).max(axis=1).clip(min=0.0)
    leave = np.maximum(first, last).min(axis=1).clip(max=1.0)
    kept = (enter < leave) & (inside | moving).all(axis=1)
    ends = np.stack([enter, leave], axis=1)[kept]
    return start[kept, None] + ends[..., None] * direction[kept, None]


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Continuous px -> OpenCV's integer coordinates, whose whole numbers are pixel centres."""
    return np.round((points - 0.5) * 2**SUBPIXEL_BITS).astype(np.int32)


def draw_lines(
    picture: np.ndarray,
    segments: np.ndarray,
    color: tuple[int, int, int],
    thickness: int,
    dashed: bool = False,
) -> None:
    """Draws the segments (n, 2, 2) px, inside the picture, into it."""
    for start, end in fixed_point(_dashes(segments) if dashed else segments):
        cv2.line(
            picture, start.tolist(), end.tolist(), color, thickness, cv2.LINE_AA, SUBPIXEL_BITS
        )


def _dashes(segments: np.ndarray) -> np.ndarray:
    """Cuts (n, 2, 2) px segments into dashes with gaps as long as they are."""
    pieces = [np.empty((0, 2, 2))]
    for start, end in segments:
        count = max(1, int(np.linalg.norm(end - start) // (2 * _DASH)))
        fractions = (np.arange(count)[:, None] + np.array([0.0, 0.5])) / count
        pieces.append(start + fractions[..., None] * (end - start))
    return np.concatenate(pieces)
