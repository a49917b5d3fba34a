"""The distribution of an orientation: where the three axes of an object point, on a Hammer map of
all directions.

Directions are in the camera frame: x right, y down, z forward. The middle of the map is the
direction away from the camera, right is right, up is up; the rim is the direction towards the
camera.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from epropnp_det.posterior.density import direction_density

from .layout import render_figure
from .palette import AXIS_RGB, unit_rgb

# Half sides of the map, whose scale is 1 at its middle.
_WIDE = 2 * np.sqrt(2)
_HIGH = np.sqrt(2)
_ROWS = 96  # of the grid that densities are computed on
_LEAST_WIDTH = 2 * _HIGH / _ROWS  # rad
# Exponent of the colours: the outskirts of a distribution show next to its peak.
_GAMMA = 0.5
_DIRECTIONS = {
    "away": (0.0, 0.0, 1.0),
    "right": (1.0, 0.0, 0.0),
    "left": (-1.0, 0.0, 0.0),
    "up": (0.0, -1.0, 0.0),
    "down": (0.0, 1.0, 0.0),
}


def draw_orientation_density(
    rotation: np.ndarray,
    weight: np.ndarray,
    best: np.ndarray,
    *,
    truth: np.ndarray | None = None,
    height: int = 260,
) -> np.ndarray:
    """Densities of the directions of an object's axes: (height, 2 height, 3) uint8 BGR; x red,
    y green, z blue.

    Each colour is at its strongest where its density peaks. Discs are the axes of the predicted
    orientation, crosses those of the true one.

    Args:
        rotation: (S, 3, 3) samples, object to camera frame.
        weight: (S,) weights of the samples.
        best: (3, 3), predicted.
        truth: (3, 3).
    """
    figure = Figure(figsize=(2 * height / 100, height / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set(xlim=(-1.03 * _WIDE, 1.03 * _WIDE), ylim=(-1.03 * _HIGH, 1.03 * _HIGH), aspect=1)
    axes.axis("off")
    extent = (-_WIDE, _WIDE, -_HIGH, _HIGH)
    axes.imshow(_density_picture(rotation, weight), extent=extent, interpolation="bilinear")
    _draw_graticule(axes)
    for axis, color in enumerate(map(unit_rgb, AXIS_RGB)):
        x, y = hammer(best[:, axis])
        axes.scatter(x, y, s=26, facecolor=color, edgecolor="white", linewidth=0.8, zorder=4)
        if truth is not None:
            x, y = hammer(truth[:, axis])
            axes.scatter(x, y, s=34, marker="x", color=color, zorder=5)
    return render_figure(figure)


def hammer(direction: np.ndarray) -> np.ndarray:
    """Places (2, ...), x to the right and y up, of unit vectors (..., 3) on the map.

    The map keeps areas: equal solid angles have equal areas.
    """
    x, y, z = np.moveaxis(direction, -1, 0)
    half = np.arctan2(x, z) / 2
    level = np.sqrt(np.clip(1 - y**2, 0, None))
    scale = np.sqrt(2 / (1 + level * np.cos(half)))
    return np.stack([2 * scale * level * np.sin(half), -scale * y])


def from_hammer(place: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) of places (2, ...) on the map; NaN outside its rim."""
    x, y = place
    outside = (x / _WIDE) ** 2 + (y / _HIGH) ** 2 > 1
    middle = np.sqrt(np.where(outside, np.nan, 1 - (x / 4) ** 2 - (y / 2) ** 2))
    longitude = 2 * np.arctan2(middle * x / 2, 2 * middle**2 - 1)
    up = middle * y
    level = np.sqrt(np.clip(1 - up**2, 0, None))
    return np.stack([level * np.sin(longitude), -up, level * np.cos(longitude)], axis=-1)


def _density_picture(rotation: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(rows, columns, 3) RGB in [0, 1]: white where no axis points."""
    down = (np.arange(_ROWS) + 0.5) / _ROWS * 2 - 1
    across = (np.arange(2 * _ROWS) + 0.5) / _ROWS - 1
    directions = from_hammer(np.stack(np.meshgrid(_WIDE * across, -_HIGH * down)))
    inside = np.isfinite(directions).all(axis=-1)
    picture = np.ones((*inside.shape, 3))
    for axis, color in enumerate(map(unit_rgb, AXIS_RGB)):
        density = direction_density(
            rotation[..., axis], weight, directions[inside], least_width=_LEAST_WIDTH
        )
        ink = (density / density.max()) ** _GAMMA
        picture[inside] *= 1 - ink[:, None] * (1 - np.array(color))
    return picture


def _draw_graticule(axes: Axes) -> None:
    """The rim, meridians and parallels every 45 degrees, and the names of five directions."""
    angle = np.linspace(-np.pi, np.pi, 181)
    axes.plot(_WIDE * np.cos(angle), _HIGH * np.sin(angle), color="0.6", linewidth=1.0)
    lines = [_unit(np.full_like(angle, np.radians(45 * k)), angle / 2) for k in range(-3, 4)]
    lines += [_unit(0.9999 * angle, np.full_like(angle, np.radians(45 * k))) for k in (-1, 0, 1)]
    for line in lines:
        x, y = hammer(line)
        axes.plot(x, y, color="0.85", linewidth=0.6, zorder=1.5)
    for name, direction in _DIRECTIONS.items():
        x, y = hammer(np.array(direction))
        axes.text(x, y, name, fontsize=7, color="0.45", ha="center", va="center", zorder=3)


def _unit(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Unit vectors (..., 3) from angles [rad] to the right and up."""
    level = np.cos(latitude)
    return np.stack(
        [level * np.sin(longitude), -np.sin(latitude), level * np.cos(longitude)], axis=-1
    )
