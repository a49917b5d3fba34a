"""2D boxes of 3D boxes: clipped at the near plane and at the image border. NumPy, pixels; the image
spans [0, W] x [0, H].
"""

from __future__ import annotations

import numpy as np
from shapely import geometry
from shapely.geometry.base import BaseGeometry

from .frames import rotation_from_yaw

NEAR_PLANE = 0.1  # metres; the layer clamps depth at the same distance

_CORNER_SIGNS = np.stack(
    np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5], indexing="ij"), axis=-1
).reshape(8, 3)
# Two corners share an edge when they differ in one sign.
_EDGES = np.array(
    [
        (i, j)
        for i in range(8)
        for j in range(i + 1, 8)
        if np.count_nonzero(_CORNER_SIGNS[i] != _CORNER_SIGNS[j]) == 1
    ]
)


def corners_in_camera(center: np.ndarray, wlh: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Corners (8, 3) of one box with centre (3,), devkit size (3,) and devkit box rotation (3, 3),
    all in the camera frame.
    """
    return center + (_CORNER_SIGNS * wlh[[1, 0, 2]]) @ rotation.T


def corners_of_yaw_box(box: np.ndarray) -> np.ndarray:
    """Corners (8, 3) of one `bbox_cam3d` row: x, y, z (gravity centre), l, h, w, yaw."""
    return corners_in_camera(box[:3], box[[5, 3, 4]], rotation_from_yaw(box[6]))


def visible_outline(corners: np.ndarray, near: float = NEAR_PLANE) -> np.ndarray:
    """Points (n, 3) whose convex hull is the part of the box (8, 3) in front of z = near; n = 0 if
    it lies behind.
    """
    start = corners[_EDGES[:, 0]]
    end = corners[_EDGES[:, 1]]
    crossing = (start[:, 2] < near) != (end[:, 2] < near)
    start = start[crossing]
    end = end[crossing]
    share = (near - start[:, 2]) / (end[:, 2] - start[:, 2])
    return np.concatenate([corners[corners[:, 2] >= near], start + share[:, None] * (end - start)])


def project(points: np.ndarray, intrinsic: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) in front of the camera; intrinsic (3, 3)."""
    image = points @ intrinsic.T
    return image[..., :2] / image[..., 2:]


def bounds(pixels: np.ndarray) -> np.ndarray:
    """Smallest rectangle x1, y1, x2, y2 around pixels (n, 2)."""
    return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])


def clip_boxes(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Rectangles (..., 4) as x1, y1, x2, y2 cut at the image border; one outside collapses to zero
    width or height.
    """
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=boxes.dtype))


def areas(boxes: np.ndarray) -> np.ndarray:
    """Areas (...,) of rectangles (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_in_image(
    corners: np.ndarray, intrinsic: np.ndarray, width: float, height: float
) -> np.ndarray | None:
    """Smallest rectangle x1, y1, x2, y2 around what the image shows of a box (8, 3) in the camera
    frame; None if nothing.
    """
    return box_in_region(corners, intrinsic, geometry.box(0, 0, width, height))


def box_in_region(
    corners: np.ndarray, intrinsic: np.ndarray, region: BaseGeometry
) -> np.ndarray | None:
    """`box_in_image` for a region of the image in place of all of it."""
    outline = visible_outline(corners)
    if len(outline) == 0:
        return None
    hull = geometry.MultiPoint(project(outline, intrinsic)).convex_hull
    seen = hull.intersection(region)
    return np.array(seen.bounds) if seen.area > 0 else None


def truncation(corners: np.ndarray, intrinsic: np.ndarray, width: float, height: float) -> float:
    """1 - area of the projected rectangle inside the image / area of all of it. 1 for a box behind
    the camera.
    """
    outline = visible_outline(corners)
    if len(outline) == 0:
        return 1.0
    whole = bounds(project(outline, intrinsic))
    return float(1 - areas(clip_boxes(whole, width, height)) / areas(whole))


def truncation_by_region(corners: np.ndarray, intrinsic: np.ndarray, region: BaseGeometry) -> float:
    """`truncation` for a region of the image in place of all of it."""
    outline = visible_outline(corners)
    if len(outline) == 0:
        return 1.0
    whole = geometry.box(*bounds(project(outline, intrinsic)))
    return 1 - whole.intersection(region).area / whole.area
