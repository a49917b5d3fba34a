"""Traffic cones and barriers, which have no front."""

from __future__ import annotations

import numpy as np

from .shapes import Color, Frustum, Shape, box, frustum, join, panel, side, tube
from .vehicles import Lamps, Size

ORANGE: Color = (0.95, 0.35, 0.05)
WHITE: Color = (0.94, 0.94, 0.94)
CONCRETE: Color = (0.66, 0.65, 0.62)
BARRIER_RED: Color = (0.78, 0.10, 0.08)


def cone(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """Orange and white bands on a square foot."""
    radius = [0.165, 0.135, 0.105, 0.080, 0.055]
    height = [0.05, 0.32, 0.58, 0.82, 1.0]
    bands = [
        tube(
            (0, 0, height[i]),
            (0, 0, height[i + 1]),
            (radius[i], radius[i + 1]),
            (ORANGE, WHITE)[i % 2],
            sides=10,
        )
        for i in range(4)
    ]
    foot = (-0.2, 0.2)
    return join(
        box(foot, foot, (0, 0.05), ORANGE if rng.random() < 0.5 else (0.10, 0.10, 0.10)), *bands
    )


def barrier(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A concrete or plastic wall on a wide foot. It is broad across its x axis, as nuScenes
    annotates barriers.
    """
    length, width, height = size
    return (_plastic if rng.random() < 0.6 else _concrete)(length / 2, width / 2, height)


def _concrete(x: float, y: float, height: float) -> Shape:
    foot = frustum((-x, x), (-y, y), (0, 0.4 * height), (-0.45 * x, 0.45 * x), (-y, y), CONCRETE)
    wall = Frustum(
        x=(-0.45 * x, 0.45 * x),
        y=(-y, y),
        z=(0.4 * height, height),
        top_x=(-0.35 * x, 0.35 * x),
        top_y=(-y, y),
    )
    marks = [
        panel(side(name, **wall), u, (0.35, 0.75), ORANGE)
        for name in ("front", "back")
        for u in ((0.05, 0.12), (0.88, 0.95))
    ]
    return join(foot, frustum(color=CONCRETE, **wall), *marks)


def _plastic(x: float, y: float, height: float) -> Shape:
    """Red and white blocks side by side."""
    edges = np.linspace(-y, y, 5)
    return join(
        *(
            join(
                frustum(
                    (-x, x),
                    (edges[i], edges[i + 1]),
                    (0, 0.3 * height),
                    (-0.6 * x, 0.6 * x),
                    (edges[i], edges[i + 1]),
                    color,
                ),
                frustum(
                    (-0.6 * x, 0.6 * x),
                    (edges[i], edges[i + 1]),
                    (0.3 * height, height),
                    (-0.4 * x, 0.4 * x),
                    (edges[i], edges[i + 1]),
                    color,
                ),
            )
            for i, color in enumerate((BARRIER_RED, WHITE, BARRIER_RED, WHITE))
        )
    )
