"""3D boxes drawn on an image.

Boxes come as their corners in the camera frame (`wireframe`). Image points are continuous: pixel
(row i, column j) has its centre at (j + 0.5, i + 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from .lines import SUBPIXEL_BITS, clip_to, draw_lines, fixed_point
from .palette import TRUTH_RGB, bgr, class_rgb
from .wireframe import EDGES, FRONT, FRONT_DIAGONALS, NEAR, project_segments


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
    edges = clip_to(project_segments(corners[EDGES], matrix), picture.shape)
    if len(edges) == 0:
        return edges
    if not dashed:  # ground truth stays light: it lies over the predicted boxes
        _tint_front(picture, corners, matrix, color)
        diagonals = clip_to(project_segments(corners[FRONT_DIAGONALS], matrix), picture.shape)
        draw_lines(picture, diagonals, color, thickness=1)
    thickness = max(1, round(picture.shape[1] / 800) - dashed)
    # A thin dark rim, so that the edges show on bright and on dark ground.
    draw_lines(picture, edges, (20, 20, 20), thickness=thickness + 2, dashed=dashed)
    draw_lines(picture, edges, color, thickness=thickness, dashed=dashed)
    return edges


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
        window.copy(), fixed_point(outline - (left, top)), color, cv2.LINE_AA, SUBPIXEL_BITS
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
