"""3D boxes drawn on an image.

Boxes come as their corners in the camera frame (`wireframe`). Image points are continuous: pixel
(row i, column j) has its centre at (j + 0.5, i + 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .palette import TRUTH_RGB, bgr, class_rgb
from .wireframe import EDGES, FRONT, FRONT_DIAGONALS, NEAR, project_segments

_SUBPIXEL_BITS = 4  # of OpenCV's fixed-point coordinates
_DASH = 9.0  # px


def draw_boxes(
    image: np.ndarray,
    matrix: np.ndarray,
    corners: np.ndarray,
    label: np.ndarray,
    *,
    captions: Sequence[str] = (),
    dashed: bool = False,
) -> np.ndarray:
    """A copy of `image` with wire frames of the boxes, far ones first; the front face is tinted and
    crossed.

    Args:
        image: (H, W, 3) uint8 BGR.
        matrix: (3, 3) camera matrix, px.
        corners: (n, 8, 3) m, in the camera frame of the image.
        label: (n,) class, for the colour.
        captions: text of each box; empty for none.
        dashed: thin white dashes instead of class colours, for ground truth; headings are not
            marked.
    """
    picture = image.copy()
    for index in np.argsort(-corners[:, :, 2].mean(axis=1), kind="stable"):
        color = bgr(TRUTH_RGB if dashed else class_rgb(label[index]))
        edges = _draw_wireframe(picture, matrix, corners[index], color, dashed)
        if captions and len(edges):
            _draw_caption(picture, edges, captions[index], color)
    return picture


def _draw_wireframe(
    picture: np.ndarray,
    matrix: np.ndarray,
    corners: np.ndarray,
    color: tuple[int, int, int],
    dashed: bool,
) -> np.ndarray:
    """Draws one box; returns its edges inside the picture, (m, 2, 2) px."""
    edges = _clip_to(project_segments(corners[EDGES], matrix), picture.shape)
    if len(edges) == 0:
        return edges
    if not dashed:  # ground truth stays light: it lies over the predicted boxes
        _tint_front(picture, corners, matrix, color)
        diagonals = _clip_to(project_segments(corners[FRONT_DIAGONALS], matrix), picture.shape)
        _draw_lines(picture, diagonals, color, thickness=1)
    thickness = max(1, round(picture.shape[1] / 800) - dashed)
    # A thin dark rim, so that the edges show on bright and on dark ground.
    _draw_lines(picture, edges, (20, 20, 20), thickness=thickness + 2, dashed=dashed)
    _draw_lines(picture, edges, color, thickness=thickness, dashed=dashed)
    return edges


def _clip_to(segments: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
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


def _fixed_point(points: np.ndarray) -> np.ndarray:
    """Continuous px -> OpenCV's integer coordinates, whose whole numbers are pixel centres."""
    return np.round((points - 0.5) * 2**_SUBPIXEL_BITS).astype(np.int32)


def _draw_lines(
    picture: np.ndarray,
    segments: np.ndarray,
    color: tuple[int, int, int],
    thickness: int,
    dashed: bool = False,
) -> None:
    for start, end in _fixed_point(_dashes(segments) if dashed else segments):
        cv2.line(
            picture, start.tolist(), end.tolist(), color, thickness, cv2.LINE_AA, _SUBPIXEL_BITS
        )


def _dashes(segments: np.ndarray) -> np.ndarray:
    """Cuts (n, 2, 2) px segments into dashes with gaps as long as they are."""
    pieces = [np.empty((0, 2, 2))]
    for start, end in segments:
        count = max(1, int(np.linalg.norm(end - start) // (2 * _DASH)))
        fractions = (np.arange(count)[:, None] + np.array([0.0, 0.5])) / count
        pieces.append(start + fractions[..., None] * (end - start))
    return np.concatenate(pieces)


def _tint_front(
    picture: np.ndarray, corners: np.ndarray, matrix: np.ndarray, color: tuple[int, int, int]
) -> None:
    """Blends a little colour into the front face, where that lies wholly in front of the camera."""
    front = corners[list(FRONT)]
    if (front[:, 2] <= NEAR).any():
        return
    outline = project_segments(np.stack([front, front], axis=1), matrix)[:, 0]
    left, top = np.floor(outline.min(axis=0)).astype(int).clip(min=0)
    right, bottom = (
        np.ceil(outline.max(axis=0)).astype(int).clip(max=np.array(picture.shape[1::-1]))
    )
    if left >= right or top >= bottom:
        return
    window = picture[top:bottom, left:right]
    filled = cv2.fillConvexPoly(
        window.copy(), _fixed_point(outline - (left, top)), color, cv2.LINE_AA, _SUBPIXEL_BITS
    )
    window[:] = cv2.addWeighted(window, 0.7, filled, 0.3, 0.0)


def _draw_caption(
    picture: np.ndarray, edges: np.ndarray, text: str, color: tuple[int, int, int]
) -> None:
    """White text on a plate of the class colour, above the drawn edges and inside the picture."""
    scale = picture.shape[1] / 3600
    (width, height), baseline = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    left, top = edges.reshape(-1, 2).min(axis=0)
    x = int(np.clip(left, 0, max(0, picture.shape[1] - width - 4)))
    y = int(np.clip(top, height + baseline + 4, picture.shape[0]))
    cv2.rectangle(
        picture, (x, y - height - baseline - 3), (x + width + 4, y - 1), color, cv2.FILLED
    )
    cv2.putText(
        picture,
        text,
        (x + 2, y - baseline - 1),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (255, 255, 255),
        1,
        cv2.LINE_AA,
    )
