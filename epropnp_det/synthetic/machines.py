"""Construction vehicles. The boom or the bucket is ahead, the counterweight or the engine
behind.
"""

from __future__ import annotations

import numpy as np

from .shapes import Color, Extent, Shape, box, join, mirrored, panel, path, prism, side, tube
from .vehicles import GLASS, STEEL, TRIM, Lamps, Size, axle, head_lamp, paint, tail_lamp

MACHINE_PAINTS: tuple[Color, ...] = ((0.95, 0.68, 0.05), (0.92, 0.45, 0.05), (0.90, 0.78, 0.15))


def machine(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    return (excavator if rng.random() < 0.5 else wheel_loader)(size, rng, lamps)


def excavator(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """Tracks, a house with the cab at its left front, boom and bucket ahead, a dark counterweight
    behind.
    """
    length, width, height = size
    color = paint(rng, MACHINE_PAINTS)
    rear = -length / 2
    deck = 0.34 * height
    house = Extent(
        x=(rear + 0.12 * length, rear + 0.58 * length),
        y=(-0.42 * width, 0.42 * width),
        z=(deck, 0.68 * height),
    )
    cab = Extent(
        x=(rear + 0.34 * length, rear + 0.60 * length),
        y=(0.06 * width, 0.44 * width),
        z=(0.5 * height, 0.95 * height),
    )
    joints = [
        (rear + 0.52 * length, -0.15 * width, 0.5 * height),
        (rear + 0.72 * length, -0.15 * width, height - 0.2),
        (rear + 0.93 * length, -0.15 * width, 0.62 * height),
        (rear + 0.92 * length, -0.15 * width, 0.22 * height),
    ]
    return join(
        mirrored(_track(rear, length, width, deck)),
        box(**house, color=color),
        box(
            (rear, rear + 0.12 * length), (-0.42 * width, 0.42 * width), (deck, 0.62 * height), TRIM
        ),
        panel(side("left", **house), (0.55, 0.9), (0.2, 0.8), TRIM),
        panel(side("right", **house), (0.1, 0.45), (0.2, 0.8), TRIM),
        box(**cab, color=color),
        *_glazing(cab),
        path(joints[:3], 0.18, color),
        path(joints[2:], 0.14, color),
        prism(
            [
                (length / 2 - 0.22 * length, 0.03 * height),
                (length / 2, 0.10 * height),
                (length / 2 - 0.03 * length, 0.26 * height),
            ],
            (-0.15 * width - 0.45, -0.15 * width + 0.45),
            STEEL,
        ),
        *_machine_lamps(house, cab, lamps),
    )


def _track(rear: float, length: float, width: float, deck: float) -> Shape:
    start = rear + 0.06 * length
    end = rear + 0.66 * length
    low = 0.0
    profile = [
        (start + 0.2, low),
        (end - 0.2, low),
        (end, 0.35 * deck),
        (end - 0.2, 0.85 * deck),
        (start + 0.2, 0.85 * deck),
        (start, 0.35 * deck),
    ]
    return prism(profile, (0.26 * width, 0.5 * width), TRIM)


def _glazing(cab: Extent) -> list[Shape]:
    return [
        panel(side(name, **cab), (0.08, 0.92), (0.30, 0.92), GLASS)
        for name in ("front", "left", "right")
    ]


def _machine_lamps(house: Extent, cab: Extent, lamps: Lamps) -> list[Shape]:
    return [
        panel(side("front", **cab), (0.1, 0.35), (0.10, 0.22), **head_lamp(lamps)),
        panel(side("front", **cab), (0.65, 0.9), (0.10, 0.22), **head_lamp(lamps)),
        panel(side("left", **house), (0.93, 0.99), (0.5, 0.8), **tail_lamp(lamps)),
        panel(side("right", **house), (0.01, 0.07), (0.5, 0.8), **tail_lamp(lamps)),
    ]


def wheel_loader(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A bucket on arms ahead, the cab in the middle, the engine's hood behind."""
    length, width, height = size
    color = paint(rng, MACHINE_PAINTS)
    rear = -length / 2
    wheel = 0.24 * height
    hood = Extent(
        x=(rear, rear + 0.36 * length),
        y=(-0.32 * width, 0.32 * width),
        z=(0.26 * height, 0.58 * height),
    )
    cab = Extent(
        x=(rear + 0.32 * length, rear + 0.56 * length),
        y=(-0.28 * width, 0.28 * width),
        z=(0.34 * height, height),
    )
    tip = length / 2
    scoop = [
        (tip - 0.24 * length, 0.06 * height),
        (tip, 0.04 * height),
        (tip - 0.14 * length, 0.40 * height),
    ]
    arm = path(
        [
            (rear + 0.52 * length, 0.2 * width, 0.5 * height),
            (rear + 0.80 * length, 0.2 * width, 0.28 * height),
        ],
        0.14,
        color,
    )
    return join(
        box(**hood, color=color),
        panel(side("back", **hood), (0.2, 0.8), (0.25, 0.8), TRIM),
        panel(side("back", **hood), (0.02, 0.16), (0.6, 0.9), **tail_lamp(lamps)),
        panel(side("back", **hood), (0.84, 0.98), (0.6, 0.9), **tail_lamp(lamps)),
        box(
            (rear + 0.3 * length, rear + 0.72 * length),
            (-0.25 * width, 0.25 * width),
            (0.22 * height, 0.44 * height),
            color,
        ),
        box(**cab, color=color),
        *_glazing(cab),
        panel(side("back", **cab), (0.1, 0.9), (0.45, 0.92), GLASS),
        panel(side("front", **cab), (0.1, 0.3), (0.18, 0.27), **head_lamp(lamps)),
        panel(side("front", **cab), (0.7, 0.9), (0.18, 0.27), **head_lamp(lamps)),
        mirrored(arm),
        prism(scoop, (-width / 2, width / 2), STEEL),
        tube(
            (rear + 0.12 * length, 0.15 * width, 0.55 * height),
            (rear + 0.12 * length, 0.15 * width, 0.78 * height),
            0.07,
            TRIM,
        ),
        axle(rear + 0.19 * length, 0.94 * width, wheel, 0.5),
        axle(rear + 0.66 * length, 0.94 * width, wheel, 0.5),
    )
