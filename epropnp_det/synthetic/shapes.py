"""Coloured solids to build objects from. Axes: x forward, y left, z up; metres. Colours are sRGB in
[0, 1].
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import ConvexHull

Color = tuple[float, float, float]
Range = tuple[float, float]


class Extent(TypedDict):
    """The ranges of a box; keyword arguments of `box` and `side`."""

    x: Range
    y: Range
    z: Range


class Frustum(Extent):
    """The ranges of a frustum; keyword arguments of `frustum` and `side`."""

    top_x: Range
    top_y: Range


# How far a painted panel stands off the surface below it: more than float32 rounding at 100 m, less
# than a pixel at 10 m.
PANEL_LIFT = 0.008

_QUAD_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])


@dataclass(frozen=True)
class Shape:
    """Triangles (F, 3, 3), their colours (F, 3), and glow (F,): the least light on a triangle
    (lamps).
    """

    triangles: np.ndarray
    colors: np.ndarray
    glow: np.ndarray

    @property
    def vertices(self) -> np.ndarray:
        """(3 F, 3)."""
        return self.triangles.reshape(-1, 3)

    def placed(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> Shape:
        """Turned by yaw about the vertical, then moved."""
        cos = math.cos(yaw)
        sin = math.sin(yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return Shape(self.triangles @ turn.T + (x, y, z), self.colors, self.glow)

    def fitted(self, size: tuple[float, float, float]) -> Shape:
        """Stretched to a bounding box of length, width and height `size`, centred on the origin."""
        low = self.vertices.min(axis=0)
        high = self.vertices.max(axis=0)
        return Shape(
            (self.triangles - (low + high) / 2) * (np.array(size) / (high - low)),
            self.colors,
            self.glow,
        )


def join(*shapes: Shape) -> Shape:
    return Shape(
        *(
            np.concatenate([getattr(shape, name) for shape in shapes])
            for name in ("triangles", "colors", "glow")
        )
    )


def _painted(triangles: np.ndarray, color: Color, glow: float) -> Shape:
    return Shape(
        triangles,
        np.tile(np.array(color, dtype=float), (len(triangles), 1)),
        np.full(len(triangles), float(glow)),
    )


def hull(points: np.ndarray, color: Color, glow: float = 0.0) -> Shape:
    """The convex hull of points (n, 3)."""
    points = np.asarray(points, dtype=float)
    return _painted(points[ConvexHull(points).simplices], color, glow)


def box(x: Range, y: Range, z: Range, color: Color, glow: float = 0.0) -> Shape:
    return frustum(x, y, z, x, y, color, glow)


def frustum(
    x: Range, y: Range, z: Range, top_x: Range, top_y: Range, color: Color, glow: float = 0.0
) -> Shape:
    """Six-sided solid with level bottom and top: x, y at z[0] and top_x, top_y at z[1]."""
    quads = [
        side(name, x, y, z, top_x, top_y)
        for name in ("front", "back", "left", "right", "top", "bottom")
    ]
    return _painted(np.concatenate([quad[_QUAD_TRIANGLES] for quad in quads]), color, glow)


def side(
    name: str, x: Range, y: Range, z: Range, top_x: Range | None = None, top_y: Range | None = None
) -> np.ndarray:
    """Corners (4, 3) of one side of a `frustum`, counter-clockwise seen from outside, from the
    lower left one; a `top` faces +x upwards.
    """
    u0, u1 = top_x or x
    v0, v1 = top_y or y
    x0, x1 = x
    y0, y1 = y
    z0, z1 = z
    corners = {
        "front": [(x1, y0, z0), (x1, y1, z0), (u1, v1, z1), (u1, v0, z1)],
        "back": [(x0, y1, z0), (x0, y0, z0), (u0, v0, z1), (u0, v1, z1)],
        "left": [(x1, y1, z0), (x0, y1, z0), (u0, v1, z1), (u1, v1, z1)],
        "right": [(x0, y0, z0), (x1, y0, z0), (u1, v0, z1), (u0, v0, z1)],
        "top": [(u0, v1, z1), (u0, v0, z1), (u1, v0, z1), (u1, v1, z1)],
        "bottom": [(x0, y0, z0), (x0, y1, z0), (x1, y1, z0), (x1, y0, z0)],
    }
    return np.array(corners[name])


def panel(quad: np.ndarray, u: Range, v: Range, color: Color, glow: float = 0.0) -> Shape:
    """A painted rectangle on a four-cornered side (4, 3): u from left to right, v from bottom to
    top, both in [0, 1].
    """
    lower_left, lower_right, upper_right, upper_left = quad
    normal = np.cross(upper_right - lower_left, upper_left - lower_right)
    lift = PANEL_LIFT * normal / np.linalg.norm(normal)

    def point(s: float, t: float) -> np.ndarray:
        return (
            (1 - t) * ((1 - s) * lower_left + s * lower_right)
            + t * ((1 - s) * upper_left + s * upper_right)
            + lift
        )

    corners = np.array([point(u[0], v[0]), point(u[1], v[0]), point(u[1], v[1]), point(u[0], v[1])])
    return _painted(corners[_QUAD_TRIANGLES], color, glow)


def prism(profile: list[tuple[float, float]], y: Range, color: Color) -> Shape:
    """A convex side profile of (x, z) points, drawn out along y."""
    return hull(np.array([(x, y_end, z) for (x, z), y_end in itertools.product(profile, y)]), color)


def tube(
    start: ArrayLike, end: ArrayLike, radius: float | Range, color: Color, sides: int = 8
) -> Shape:
    """A cylinder, or a cone with radii at start and end."""
    start = np.asarray(start, dtype=float)
    end = np.asarray(end, dtype=float)
    radii = radius if isinstance(radius, tuple) else (radius, radius)
    axis = (end - start) / np.linalg.norm(end - start)
    across = np.cross(axis, (0.0, 0.0, 1.0) if abs(axis[2]) < 0.9 else (1.0, 0.0, 0.0))
    across /= np.linalg.norm(across)
    angles = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    ring = np.outer(np.cos(angles), across) + np.outer(np.sin(angles), np.cross(axis, across))
    return hull(np.concatenate([start + radii[0] * ring, end + radii[1] * ring]), color)


def path(
    points: list[tuple[float, float, float]], radius: float, color: Color, sides: int = 6
) -> Shape:
    """Tubes from point to point."""
    return join(
        *(tube(start, end, radius, color, sides) for start, end in itertools.pairwise(points))
    )


def ball(
    center: tuple[float, float, float], radii: tuple[float, float, float], color: Color
) -> Shape:
    """An ellipsoid of 40 faces or so."""
    rings = [(0.0, -1.0, 1), (0.8, -0.6, 8), (1.0, 0.0, 8), (0.8, 0.6, 8), (0.0, 1.0, 1)]
    points = [
        (
            scale * math.cos(2 * math.pi * k / count),
            scale * math.sin(2 * math.pi * k / count),
            height,
        )
        for scale, height, count in rings
        for k in range(count)
    ]
    return hull(np.array(points) * radii + center, color)


def mirrored(shape: Shape) -> Shape:
    """The shape and its mirror image in the plane y = 0."""
    return join(shape, Shape(shape.triangles * (1.0, -1.0, 1.0), shape.colors, shape.glow))
