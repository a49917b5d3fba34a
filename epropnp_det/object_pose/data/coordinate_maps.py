"""Labels of a grid of pixels, ray-cast from the models: object coordinates, silhouettes and what is
visible of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..rigid_pose import project
from .ray_scenes import PlacedObject, RayScenes

# px around the projected box that is still cast at.
_MARGIN = 1.0


@dataclass(frozen=True)
class ObjectMaps:
    """Labels of one object on a grid of H x W pixels.

    Args:
        coordinates: (H, W, 3) float32, points of the model [m] under the pixels, whether something
            stands before them or not; zeros outside the silhouette.
        mask: (H, W) bool, the whole silhouette (amodal).
        visible: (H, W) bool, where nothing stands before the object.
        depth: (H, W) float32, z [m] of the object, infinite outside the silhouette.
    """

    coordinates: np.ndarray
    mask: np.ndarray
    visible: np.ndarray
    depth: np.ndarray

    @property
    def visibility(self) -> float:
        """Visible share of the silhouette's pixels on this grid; 0 where there is none."""
        return float(self.visible.sum() / max(self.mask.sum(), 1))


def pixel_centers(width: int, height: int) -> np.ndarray:
    """Centres (H, W, 2), x, y, of an image's pixels; that of the first is (0.5, 0.5)."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns + 0.5, rows + 0.5], axis=-1)


def object_maps(
    scenes: RayScenes,
    objects: Sequence[PlacedObject],
    camera_matrix: np.ndarray,
    pixels: np.ndarray,
) -> list[ObjectMaps]:
    """The maps of all objects of an image, each occluded by the others.

    Args:
        camera_matrix: (3, 3) [px], pixel centres at half integers.
        pixels: (H, W, 2) x, y [px]: an image's pixel centres, or the cell centres of a crop.

    Raises:
        KeyError: an object has no model.
    """
    cast = [_silhouette(scenes, each, camera_matrix, pixels) for each in objects]
    nearest = np.min([depth for _, depth in cast], axis=0, initial=np.inf)
    return [
        ObjectMaps(coordinates, depth < np.inf, (depth < np.inf) & (depth <= nearest), depth)
        for coordinates, depth in cast
    ]


def _silhouette(
    scenes: RayScenes, placed: PlacedObject, camera_matrix: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (H, W, 3) and depth (H, W) of one object without the others."""
    coordinates = np.zeros((*pixels.shape[:2], 3), np.float32)
    depth = np.full(pixels.shape[:2], np.inf, np.float32)
    chosen = near_object(scenes, placed, camera_matrix, pixels)
    hits = scenes.cast(placed, camera_matrix, pixels[chosen])
    coordinates[chosen] = hits.coordinates
    depth[chosen] = hits.depth
    return coordinates, depth


def whole_silhouette(
    scenes: RayScenes, placed: PlacedObject, camera_matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The silhouette of an object in front of the camera, also beyond the image's border.

    Returns:
        mask: (h, w) bool.
        corner: (2,) x, y, the image's pixel at which the mask begins.
    """
    low, high = _projected_box(scenes, placed, camera_matrix)
    corner = np.floor(low).astype(int)
    width, height = np.ceil(high).astype(int) - corner
    pixels = corner + pixel_centers(width, height)
    hits = scenes.cast(placed, camera_matrix, pixels.reshape(-1, 2))
    return hits.mask.reshape(height, width), corner


def near_object(
    scenes: RayScenes, placed: PlacedObject, camera_matrix: np.ndarray, pixels: np.ndarray
) -> np.ndarray:
    """Which pixels (...) of (..., 2) lie in the rectangle around the projected box of the model.

    All of them where a part of the box is not in front of the camera.
    """
    low, high = _projected_box(scenes, placed, camera_matrix)
    return ((pixels >= low) & (pixels <= high)).all(axis=-1)


def _projected_box(
    scenes: RayScenes, placed: PlacedObject, camera_matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest pixel (2,) of the model's projected box; infinite where a part of the box
    is not in front of the camera.
    """
    model = scenes.models[placed.object_id]
    corners = placed.pose.apply(model.box_corners)
    if corners[:, 2].min() <= 0:
        return np.full(2, -np.inf), np.full(2, np.inf)
    image = project(corners, camera_matrix)
    return image.min(axis=0) - _MARGIN, image.max(axis=0) + _MARGIN
