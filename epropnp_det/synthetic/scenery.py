"""Scenery without boxes along the road: buildings, trees and lamp posts; and the parking lots."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ground import cross_road
from .motion import Motion, footprints
from .road import Road
from .shapes import Color, Extent, Shape, ball, box, join, panel, side, tube

WALLS: tuple[Color, ...] = (
    (0.62, 0.52, 0.44),
    (0.74, 0.71, 0.66),
    (0.55, 0.30, 0.24),
    (0.50, 0.55, 0.60),
    (0.80, 0.74, 0.58),
    (0.42, 0.44, 0.42),
)
WINDOW: Color = (0.16, 0.21, 0.27)
BARK: Color = (0.32, 0.23, 0.16)
LEAVES: tuple[Color, ...] = (
    (0.20, 0.36, 0.14),
    (0.28, 0.42, 0.16),
    (0.16, 0.30, 0.16),
    (0.45, 0.42, 0.15),
)
POST: Color = (0.35, 0.37, 0.38)

BLOCK = (18.0, 30.0)  # metres of road that a building or a lot takes
LOT_DEPTH = 20.0
LOT_SHARE = 0.65
BUILDING_DEPTH = 14.0
TRUNK = (0.25, 0.25)  # half of the ground under a tree or a post [m]


@dataclass(frozen=True)
class Lot:
    """A piece of ground in road coordinates, s and d growing."""

    s: tuple[float, float]
    d: tuple[float, float]


@dataclass(frozen=True)
class Scenery:
    """`footprints`: polygons (n, 2) of ground on which something stands, in the scene frame."""

    shape: Shape
    footprints: tuple[np.ndarray, ...]
    lots: tuple[Lot, ...]


@dataclass(frozen=True)
class _Part:
    shape: Shape
    footprint: np.ndarray


def lay_out(road: Road, s: tuple[float, float], rng: np.random.Generator) -> Scenery:
    """Fills both sides of the road between s[0] and s[1]; nothing stands on the road across."""
    parts = []
    lots = []
    for sign in (-1.0, 1.0):
        for start, end in _blocks(road, s, rng):
            if rng.random() < LOT_SHARE:
                lots.append(_lot(road, sign, start, end))
                parts.append(_building(road, sign, start, end, road.edge + LOT_DEPTH + 1.0, rng))
                parts.append(_tree(road, sign, start - 1.0, road.edge + rng.uniform(2, 16), rng))
            else:
                parts.append(
                    _building(road, sign, start, end, road.edge + rng.uniform(1.0, 5.0), rng)
                )
        parts += _street_trees(road, sign, s, rng)
    return Scenery(
        join(*(part.shape for part in parts)), tuple(part.footprint for part in parts), tuple(lots)
    )


def _blocks(
    road: Road, s: tuple[float, float], rng: np.random.Generator
) -> list[tuple[float, float]]:
    free = cross_road(road).edge + 1.0
    blocks = []
    start = s[0]
    while start < s[1]:
        end = start + rng.uniform(*BLOCK)
        if end < road.crossing - free or start > road.crossing + free:
            blocks.append((start, end))
            start = end + rng.uniform(2.0, 5.0)
        else:
            start = (
                max(start + 2.0, road.crossing + free)
                if start >= road.crossing - free - BLOCK[0]
                else start + 2.0
            )
    return blocks


def _lot(road: Road, sign: float, start: float, end: float) -> Lot:
    inner = sign * road.edge
    outer = sign * (road.edge + LOT_DEPTH)
    return Lot((start, end), (min(inner, outer), max(inner, outer)))


def _building(
    road: Road, sign: float, start: float, end: float, distance: float, rng: np.random.Generator
) -> _Part:
    """A block with rows of windows on all sides, turned as the road is there."""
    middle = (start + end) / 2
    # On the inner side of a bend the same stretch of road leaves less room further out.
    half = (
        0.5 * (end - start) * max(0.5, 1 - road.curvature * sign * (distance + BUILDING_DEPTH / 2))
        - 0.5
    )
    height = rng.uniform(5.0, 18.0)
    sides = Extent(x=(-half, half), y=(-BUILDING_DEPTH / 2, BUILDING_DEPTH / 2), z=(0.0, height))
    wall = WALLS[rng.integers(len(WALLS))]
    columns = max(2, int(half / rng.uniform(1.2, 2.2)))
    floors = max(1, int(height / 3.2))
    windows = [
        _windows(side(name, **sides), columns, floors)
        for name in ("front", "back", "left", "right")
    ]
    x, y = road.point(middle, sign * (distance + BUILDING_DEPTH / 2))
    return _part(
        join(box(**sides, color=wall), *windows),
        (half, BUILDING_DEPTH / 2),
        x,
        y,
        road.heading(middle),
    )


def _part(shape: Shape, half: tuple[float, float], x: float, y: float, yaw: float = 0.0) -> _Part:
    """A shape put in its place; what it stands on reaches `half` metres from its middle, along its
    own axes.
    """
    motion = Motion(x, y, yaw)
    return _Part(
        shape.placed(x, y, 0.0, yaw),
        footprints(motion, (2 * half[0], 2 * half[1], 0.0), np.zeros(1), 0.0)[0],
    )


def _windows(face: np.ndarray, columns: int, floors: int) -> Shape:
    return join(
        *(
            panel(
                face,
                ((i + 0.22) / columns, (i + 0.78) / columns),
                ((j + 0.25) / floors, (j + 0.8) / floors),
                WINDOW,
            )
            for i in range(columns)
            for j in range(floors)
        )
    )


def _street_trees(
    road: Road, sign: float, s: tuple[float, float], rng: np.random.Generator
) -> list[_Part]:
    """Trees and lamp posts at the inner edge of the pavement, not near the junction."""
    parts = []
    place = s[0] + rng.uniform(0, 10)
    while place < s[1]:
        if abs(place - road.crossing) > 12:
            parts.append(
                _tree(road, sign, place, road.pavement + 0.6, rng)
                if rng.random() < 0.6
                else _lamp_post(road, sign, place)
            )
        place += rng.uniform(12, 26)
    return parts


def _tree(road: Road, sign: float, s: float, distance: float, rng: np.random.Generator) -> _Part:
    """A trunk, and four balls of leaves well above what stands below."""
    height = rng.uniform(5.0, 8.5)
    leaves = LEAVES[rng.integers(len(LEAVES))]
    crown = [
        ball(
            (*rng.uniform(-0.5, 0.5, 2), height - 1.2 + rng.uniform(-0.6, 0.6)),
            tuple(rng.uniform(0.9, 1.4, 3)),
            _shade(leaves, rng),
        )
        for _ in range(4)
    ]
    x, y = road.point(s, sign * distance)
    return _part(
        join(tube((0, 0, 0), (0, 0, height - 1.5), (0.16, 0.10), BARK), *crown), TRUNK, x, y
    )


def _shade(color: Color, rng: np.random.Generator) -> Color:
    red, green, blue = np.clip(np.array(color) * rng.uniform(0.75, 1.2), 0, 1)
    return (red, green, blue)


def _lamp_post(road: Road, sign: float, s: float) -> _Part:
    post = tube((0, 0, 0), (0, 0, 7.0), (0.09, 0.06), POST)
    arm = box((-0.15, 0.15), (-1.6, 0.1) if sign > 0 else (-0.1, 1.6), (6.9, 7.05), POST)
    x, y = road.point(s, sign * (road.pavement + 0.5))
    return _part(join(post, arm), TRUNK, x, y, road.heading(s))
