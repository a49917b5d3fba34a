"""Clutter behind the objects: shapes that no network can foresee, so that it learns to ignore what
surrounds an object (domain randomisation).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from epropnp_det.errors import UserError

from .relighting import random_turn
from .rendering import GAMMA

# Fewest and most shapes of a patch.
_SHAPES = (5, 40)
# Smallest and largest radius in sides of the patch, and the thinnest shape in radii.
_RADIUS = (0.03, 0.5)
_THINNEST = 0.1
# Triangles, quadrangles, hexagons, and ellipses.
_CORNERS = (3, 4, 4, 6, 24)
# Period of stripes and checks in sides of the patch.
_PERIOD = (0.02, 0.2)
_GREY_SHARE = 0.4
_PLAIN_SHARE = 0.6


def draw_clutter(behind: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A background (S, S, 3) of linear RGB with random shapes over it: plain, striped or checked,
    in colours or in greys.
    """
    picture = behind.astype(np.float32)
    for _ in range(rng.integers(_SHAPES[0], _SHAPES[1] + 1)):
        outline = _outline(len(picture), rng)
        colors = _two_colors(rng)
        if rng.uniform() < _PLAIN_SHARE:
            cv2.fillPoly(picture, [outline], colors[0].tolist())
        else:
            _fill_with_bands(picture, outline, colors, rng)
    return picture


def checked_share(share: float, name: str) -> float:
    """A share of the pictures that a setting names.

    Raises:
        UserError: it is not from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise UserError(f"{name} is {share}; it must be from 0 to 1")
    return share


def _outline(size: int, rng: np.random.Generator) -> np.ndarray:
    """Corners (C, 2) int32 of a shape that may leave the patch."""
    corners = int(rng.choice(_CORNERS))
    angles = (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) * 2 * math.pi / corners
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    radius = size * _log_uniform(_RADIUS, rng)
    thickness = radius * _log_uniform((_THINNEST, 1.0), rng)
    turned = circle * (radius, thickness) @ random_turn(rng)
    return np.round(turned + rng.uniform(-0.2, 1.2, 2) * size).astype(np.int32)


def _two_colors(rng: np.random.Generator) -> np.ndarray:
    """Linear RGB (2, 3)."""
    colors = rng.uniform(0, 1, (2, 3)) ** GAMMA
    is_grey = rng.uniform() < _GREY_SHARE
    return np.repeat(colors[:, :1], 3, axis=1) if is_grey else colors


def _fill_with_bands(
    picture: np.ndarray, outline: np.ndarray, colors: np.ndarray, rng: np.random.Generator
) -> None:
    """Fills a shape of the picture with stripes or checks of two colours."""
    size = len(picture)
    left, top = np.clip(outline.min(0), 0, size)
    right, bottom = np.clip(outline.max(0) + 1, 0, size)
    window = picture[top:bottom, left:right]
    period = size * _log_uniform(_PERIOD, rng)
    turn = random_turn(rng)
    is_checked = rng.uniform() < 0.5
    if window.size == 0:
        return
    shape = np.zeros(window.shape[:2], np.uint8)
    cv2.fillPoly(shape, [(outline - (left, top)).astype(np.int32)], (1,))
    row, column = np.nonzero(shape)
    bands = np.floor(np.stack([column, row], axis=-1) @ turn / period).astype(int)
    chosen = bands.sum(-1) if is_checked else bands[:, 0]
    window[row, column] = colors[chosen % 2]


def _log_uniform(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))
