"""Pictures of stored surfaces under other lamps, with other materials and backgrounds.

Lamps throw no shadows, and a texture fills everything around the objects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .rendering import Lighting, Material, SurfaceMaps, highlights

# Texture cells in a pixel of the patch, smallest and largest.
_ZOOM = (0.4, 3.0)


def relit(
    surfaces: SurfaceMaps,
    view: np.ndarray,
    materials: Sequence[Material],
    lighting: Lighting,
    behind: np.ndarray,
) -> np.ndarray:
    """Linear RGB (H, W, 3) float32.

    Args:
        view: (H, W, 3) unit vectors to the camera, in its frame.
        materials: one for each object.
        lighting: lamps in the camera's frame.
        behind: (H, W, 3) linear RGB around the objects.
    """
    picture = behind.astype(np.float32)
    for number, material in enumerate(materials, start=1):
        shown = surfaces.part == number
        normals = surfaces.normals[shown]
        light = lighting.ambient + np.maximum(normals @ lighting.directions.T, 0) @ lighting.colors
        shine = highlights(lighting, material, normals, view[shown])
        picture[shown] = surfaces.base[shown] * material.tint * light + shine
    return picture


def draw_background(tile: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random square (size, size, 3) of an endless tiling, turned and scaled."""
    turn = random_turn(rng)
    scaled = rng.uniform(*_ZOOM) * turn
    start = rng.uniform(0, tile.shape[:2])
    # OpenCV's coordinates of the tile for each pixel; beyond its border the tile begins again.
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) @ scaled.T + start
    column, row = np.moveaxis(np.mod(grid, tile.shape[:2]).astype(np.float32), -1, 0)
    return np.asarray(
        cv2.remap(tile, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32
    )


def random_turn(rng: np.random.Generator) -> np.ndarray:
    """A rotation (2, 2) of the image's plane by any angle."""
    angle = rng.uniform(0, 2 * math.pi)
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
