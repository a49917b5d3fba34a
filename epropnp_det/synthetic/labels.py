"""Visibility token and number of LiDAR points of an annotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from epropnp_det.detection.data.projection import NEAR_PLANE

from .photo import View
from .raycast import RayCaster
from .rig import IMAGE_SIZE
from .shapes import Shape

# nuScenes' levels: shares of an object's pixels, over all cameras, that are not hidden by something
# else.
VISIBILITY_LEVELS = (0.4, 0.6, 0.8)
# The largest number of rays per object and camera, approximately; larger objects are sampled at
# every second pixel, third ...
MAX_RAYS = 2500


@dataclass(frozen=True)
class Seen:
    """One object in one keyframe. `visibility` is nuScenes' token, 1 to 4."""

    visibility: int
    lidar_points: int


def visibility_token(share: float) -> int:
    return 1 + sum(share >= level for level in VISIBILITY_LEVELS)


def visible_share(index: int, shape: Shape, views: list[View], owners: list[np.ndarray]) -> float:
    """Share of the pixels that object `index` would have alone, over all images, that it has; 0 if
    it is in none.

    `owners` are the images' (H, W) of `Photo.owner`.
    """
    caster = RayCaster(shape.triangles)
    counts = np.array(
        [_pixel_counts(index, shape, caster, view, owner) for view, owner in zip(views, owners)]
    )
    seen, alone = counts.sum(axis=0)
    return float(seen / alone) if alone else 0.0


def _pixel_counts(
    index: int, shape: Shape, caster: RayCaster, view: View, owner: np.ndarray
) -> tuple[int, int]:
    """Pixels that show the object, and pixels that would without everything else."""
    pixels = _grid(view.project(shape.vertices))
    if len(pixels) == 0:
        return 0, 0
    alone = caster.triangles_hit(view.origin, view.directions(pixels + 0.5)) >= 0
    seen = owner[pixels[:, 1], pixels[:, 0]] == index
    return int((seen & alone).sum()), int(alone.sum())


def _grid(projected: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) as column, row, evenly spread over the box of projected points (V, 3) of u, v,
    depth.
    """
    behind = projected[:, 2] < NEAR_PLANE
    if behind.all():
        return np.empty((0, 2), int)
    bounds = np.array([[0, 0], IMAGE_SIZE])
    if not behind.any():
        box = np.stack(
            [np.floor(projected[:, :2].min(axis=0)), np.ceil(projected[:, :2].max(axis=0))]
        )
        bounds = np.clip(box, 0, IMAGE_SIZE).astype(int)
    extent = bounds[1] - bounds[0]
    step = max(1, int(np.sqrt(extent.prod() / MAX_RAYS)))
    columns, rows = np.meshgrid(*(np.arange(low, high, step) for low, high in bounds.T))
    return np.stack([columns.ravel(), rows.ravel()], axis=-1)
