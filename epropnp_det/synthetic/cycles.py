"""Bicycles and motorcycles, with and without a rider. Fork, bars and a white lamp ahead; saddle,
mudguard and a red lamp behind.
"""

from __future__ import annotations

import math

import numpy as np

from .people import rider
from .shapes import Color, Extent, Shape, ball, box, join, mirrored, panel, path, prism, side, tube
from .vehicles import CAR_PAINTS, GLASS, STEEL, TRIM, TYRE, Lamps, Size, head_lamp, paint, tail_lamp

LEATHER: Color = (0.15, 0.09, 0.06)
BASKET: Color = (0.55, 0.40, 0.22)


def _ring(x: float, radius: float, thickness: float, color: Color) -> Shape:
    """A thin wheel seen from the side: a ring of twelve straight pieces."""
    angles = np.linspace(0, 2 * math.pi, 13)
    points = [
        (x + (radius - thickness) * math.cos(a), 0.0, radius + (radius - thickness) * math.sin(a))
        for a in angles
    ]
    return path(points, thickness, color, sides=4)


def bicycle(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """1.7 m long, the bars at 1.05 m, a basket before them."""
    color = paint(rng, CAR_PAINTS)
    radius = 0.34
    rear = -0.50
    front = 0.51
    crank = (-0.08, 0.0, 0.30)
    saddle = (-0.22, 0.0, 0.86)
    stem = (0.36, 0.0, 0.82)
    bars = [(0.26, 0.30, 0.98), (0.36, 0.18, 1.02), (0.36, -0.18, 1.02), (0.26, -0.30, 0.98)]
    basket = Extent(x=(0.44, 0.72), y=(-0.17, 0.17), z=(0.74, 0.96))
    reflector = Extent(x=(rear - 0.38, rear - 0.34), y=(-0.08, 0.08), z=(0.50, 0.68))
    return join(
        _ring(rear, radius, 0.035, TYRE),
        _ring(front, radius, 0.035, TYRE),
        path(
            [(rear, 0.0, radius), crank, stem, (-0.20, 0.0, 0.76), (rear, 0.0, radius)],
            0.032,
            color,
        ),
        path([crank, saddle], 0.032, color),
        path([(front, 0.0, radius), stem, (0.35, 0.0, 1.02)], 0.032, color),
        path(bars, 0.028, TRIM),
        box((-0.36, -0.10), (-0.09, 0.09), (0.85, 0.92), LEATHER),
        box(**basket, color=BASKET),
        panel(side("front", **basket), (0.3, 0.7), (0.05, 0.5), **head_lamp(lamps)),
        box(
            (rear - 0.36, rear + 0.10), (-0.07, 0.07), (2 * radius + 0.02, 2 * radius + 0.06), STEEL
        ),
        box(**reflector, color=TRIM),
        panel(side("back", **reflector), (0.0, 1.0), (0.0, 1.0), **tail_lamp(lamps)),
    )


def bicycle_with_rider(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    person = rider(seat=(-0.22, 0.90), bars=(0.30, 1.00), feet=(-0.02, 0.22), lean=0.20, rng=rng)
    return join(bicycle(size, rng, lamps), person)


def motorcycle(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """2.1 m long, coloured tank and front fairing, long dark seat, exhausts at the rear."""
    color = paint(rng, CAR_PAINTS)
    radius = 0.32
    rear = -0.68
    front = 0.72
    wheels = [
        tube((x, -0.08, radius), (x, 0.08, radius), radius, TYRE, sides=14) for x in (rear, front)
    ]
    hubs = [
        mirrored(tube((x, 0.08, radius), (x, 0.09, radius), 0.2, STEEL, sides=8))
        for x in (rear, front)
    ]
    fairing = Extent(x=(0.40, 0.745), y=(-0.20, 0.20), z=(0.70, 0.84))
    lamp = Extent(x=(-1.03, -0.98), y=(-0.12, 0.12), z=(0.64, 0.78))
    return join(
        *wheels,
        *hubs,
        box((-0.34, 0.36), (-0.15, 0.15), (0.22, 0.62), TRIM),
        prism(
            [(-0.05, 0.62), (0.45, 0.62), (0.42, 0.84), (0.10, 0.90), (-0.08, 0.76)],
            (-0.16, 0.16),
            color,
        ),
        prism([(-0.90, 0.78), (-0.05, 0.66), (-0.05, 0.78), (-0.88, 0.90)], (-0.13, 0.13), LEATHER),
        prism([(-1.00, 0.62), (-0.50, 0.60), (-0.40, 0.72), (-0.98, 0.80)], (-0.11, 0.11), color),
        box(**lamp, color=TRIM),
        panel(side("back", **lamp), (0.0, 1.0), (0.0, 1.0), **tail_lamp(lamps)),
        prism([(0.40, 0.68), (0.70, 0.68), (0.74, 0.84), (0.46, 1.00)], (-0.20, 0.20), color),
        panel(side("front", **fairing), (0.2, 0.8), (0.1, 0.9), **head_lamp(lamps)),
        prism([(0.42, 0.98), (0.60, 0.90), (0.46, 1.18), (0.42, 1.18)], (-0.17, 0.17), GLASS),
        path(
            [(0.34, 0.39, 0.98), (0.46, 0.20, 1.02), (0.46, -0.20, 1.02), (0.34, -0.39, 0.98)],
            0.03,
            TRIM,
        ),
        mirrored(path([(0.60, 0.10, 0.75), (front, 0.11, radius)], 0.035, STEEL)),
        mirrored(tube((-0.15, 0.19, 0.34), (-0.92, 0.19, 0.42), 0.06, STEEL)),
        ball((front, 0.0, 2 * radius - 0.02), (0.24, 0.10, 0.06), color),
    )


def motorcycle_with_rider(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    person = rider(seat=(-0.30, 0.80), bars=(0.36, 1.00), feet=(-0.05, 0.30), lean=0.24, rng=rng)
    return join(motorcycle(size, rng, lamps), person)
