"""Objects with a 6DoF pose drawn on an image: outlines of silhouettes, and axes."""

from __future__ import annotations

import cv2
import numpy as np

from .lines import clip_to, draw_lines
from .palette import AXIS_RGB, bgr
from .wireframe import project_segments

_RIM = (20, 20, 20)


def draw_outline(image: np.ndarray, mask: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """A copy of the image (H, W, 3) uint8 BGR with the outlines of a silhouette, also of its holes.

    Args:
        mask: (H, W) bool.
        color: blue, green, red.
    """
    picture = image.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thickness = line_thickness(image)
    # A thin dark rim, so that the line shows on bright and on dark ground.
    cv2.drawContours(picture, outlines, -1, _RIM, thickness + 2, cv2.LINE_AA)
    return cv2.drawContours(picture, outlines, -1, color, thickness, cv2.LINE_AA)


def draw_axes(
    image: np.ndarray,
    matrix: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    length: float,
    opacity: float = 1.0,
) -> np.ndarray:
    """A copy of the image (H, W, 3) uint8 BGR with the axes of object frames: x red, y green,
    z blue.

    Args:
        matrix: (3, 3) camera matrix [px].
        rotation: (n, 3, 3), object to camera frame.
        translation: (n, 3) [m].
        length: [m] of an axis.
        opacity: 0 for nothing, 1 for solid lines.
    """
    picture = image.copy()
    thickness = line_thickness(image)
    for axis, color in enumerate(AXIS_RGB):
        tips = translation + length * rotation[..., axis]
        segments = project_segments(np.stack([translation, tips], axis=1), matrix)
        draw_lines(picture, clip_to(segments, image.shape), bgr(color), thickness)
    return cv2.addWeighted(picture, opacity, image, 1 - opacity, 0.0)


def line_thickness(image: np.ndarray) -> int:
    """[px] of a line that is easy to see in a picture of this size."""
    return max(1, round(image.shape[1] / 400))
