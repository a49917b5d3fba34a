"""Pedestrians and riders: a face ahead, hair and mostly a backpack behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import Color, Frustum, Range, Shape, ball, box, frustum, join, panel, path, side, tube
from .vehicles import Lamps, Size

SKINS: tuple[Color, ...] = ((0.93, 0.74, 0.62), (0.80, 0.58, 0.44), (0.55, 0.37, 0.26))
HAIRS: tuple[Color, ...] = (
    (0.10, 0.07, 0.05),
    (0.28, 0.17, 0.09),
    (0.75, 0.62, 0.35),
    (0.55, 0.55, 0.55),
)
CLOTHES: tuple[Color, ...] = (
    (0.80, 0.15, 0.15),
    (0.15, 0.30, 0.65),
    (0.90, 0.88, 0.84),
    (0.15, 0.45, 0.30),
    (0.90, 0.70, 0.20),
    (0.25, 0.25, 0.28),
    (0.55, 0.35, 0.60),
)
FRONTS: tuple[Color, Color] = (
    (0.93, 0.92, 0.90),
    (0.15, 0.16, 0.22),
)  # under a dark jacket, under a light one
TROUSERS: tuple[Color, ...] = (
    (0.12, 0.14, 0.25),
    (0.20, 0.20, 0.20),
    (0.45, 0.38, 0.28),
    (0.30, 0.36, 0.45),
)
BACKPACKS: tuple[Color, ...] = (
    (0.85, 0.35, 0.05),
    (0.05, 0.05, 0.06),
    (0.10, 0.40, 0.55),
    (0.60, 0.10, 0.30),
)
SHOES: Color = (0.07, 0.06, 0.06)
SEAT: Color = (0.50, 0.36, 0.22)


@dataclass(frozen=True)
class Outfit:
    """Colours of a person."""

    skin: Color
    hair: Color
    shirt: Color
    front: Color
    trousers: Color
    backpack: Color | None

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Outfit:
        skin, hair, shirt, trousers, pack = (
            colors[rng.integers(len(colors))]
            for colors in (SKINS, HAIRS, CLOTHES, TROUSERS, BACKPACKS)
        )
        front = FRONTS[int(sum(shirt) > 1.5)]
        return cls(skin, hair, shirt, front, trousers, pack if rng.random() < 0.7 else None)


def head(x: float, height: float, outfit: Outfit, cap: Color | None = None) -> Shape:
    """A head whose top is at `height`, on its neck: skin and eyes ahead, hair (or a helmet) above
    and behind.
    """
    z = height - 0.14
    eyes = [
        box((x + 0.085, x + 0.108), (y - 0.022, y + 0.022), (z - 0.005, z + 0.03), SHOES)
        for y in (-0.04, 0.04)
    ]
    return join(
        tube((x - 0.03, 0, z - 0.30), (x, 0, z), 0.055, outfit.skin, sides=6),
        ball((x + 0.02, 0, z - 0.01), (0.10, 0.085, 0.125), outfit.skin),
        ball((x - 0.035, 0, z + 0.02), (0.105, 0.10, 0.12), cap or outfit.hair),
        *eyes,
    )


def torso(x: Range, z: Range, outfit: Outfit, lean: float = 0.0) -> Shape:
    """Hips to shoulders, wider at the shoulders, leaning forward by `lean` metres; a shirt shows
    ahead, a backpack goes behind.
    """
    top_x = (x[0] + lean, x[1] + lean)
    sides = Frustum(x=x, y=(-0.16, 0.16), z=z, top_x=top_x, top_y=(-0.22, 0.22))
    shapes = [
        frustum(color=outfit.shirt, **sides),
        panel(side("front", **sides), (0.30, 0.70), (0.05, 0.95), outfit.front),
    ]
    if outfit.backpack:
        low = z[0] + 0.10
        high = z[1] - 0.05
        shapes.append(
            frustum(
                (x[0] - 0.18 + 0.2 * lean, x[0] + 0.2 * lean),
                (-0.15, 0.15),
                (low, high),
                (x[0] - 0.14 + 0.9 * lean, x[0] + 0.9 * lean),
                (-0.14, 0.14),
                outfit.backpack,
            )
        )
    return join(*shapes)


def limb(
    points: list[tuple[float, float, float]], color: Color, end_color: Color, radius: float
) -> Shape:
    """A leg or an arm along the points, with a shoe or a hand at its end, pointing forward."""
    x, y, z = points[-1]
    return join(
        path(points, radius, color),
        box(
            (x - radius, x + 2.2 * radius),
            (y - radius, y + radius),
            (z - radius, z + radius),
            end_color,
        ),
    )


def walking(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    outfit = Outfit.draw(rng)
    stride = 0.26
    return join(
        limb(
            [(0, 0.1, 0.88), (0.55 * stride + 0.04, 0.1, 0.48), (stride, 0.1, 0.06)],
            outfit.trousers,
            SHOES,
            0.075,
        ),
        limb(
            [(0, -0.1, 0.88), (-0.35 * stride, -0.1, 0.48), (-stride - 0.05, -0.1, 0.10)],
            outfit.trousers,
            SHOES,
            0.075,
        ),
        torso((-0.11, 0.11), (0.84, 1.46), outfit, lean=0.03),
        limb(
            [(0.02, 0.25, 1.40), (-0.10, 0.27, 1.14), (-0.14, 0.27, 0.92)],
            outfit.shirt,
            outfit.skin,
            0.05,
        ),
        limb(
            [(0.02, -0.25, 1.40), (0.08, -0.27, 1.14), (0.24, -0.26, 0.98)],
            outfit.shirt,
            outfit.skin,
            0.05,
        ),
        head(0.05, 1.77, outfit),
    )


def standing(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    outfit = Outfit.draw(rng)
    legs = [limb([(0, y, 0.88), (0, y, 0.06)], outfit.trousers, SHOES, 0.08) for y in (-0.11, 0.11)]
    arms = [
        limb(
            [(0, y, 1.40), (0.02, 1.08 * y, 1.12), (0.10, 1.08 * y, 0.90)],
            outfit.shirt,
            outfit.skin,
            0.05,
        )
        for y in (-0.25, 0.25)
    ]
    return join(*legs, torso((-0.11, 0.11), (0.84, 1.46), outfit), *arms, head(0.02, 1.77, outfit))


def sitting(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """On a block that is 0.44 m high and belongs to the mesh, feet on the ground."""
    outfit = Outfit.draw(rng)
    seat = box((-0.20, 0.14), (-0.26, 0.26), (0.0, 0.43), SEAT)
    legs = [
        limb([(-0.05, y, 0.52), (0.38, y, 0.52), (0.40, y, 0.06)], outfit.trousers, SHOES, 0.08)
        for y in (-0.11, 0.11)
    ]
    arms = [
        limb([(0, y, 0.98), (0.05, y, 0.75), (0.28, y, 0.64)], outfit.shirt, outfit.skin, 0.05)
        for y in (-0.25, 0.25)
    ]
    return join(
        seat, *legs, torso((-0.13, 0.10), (0.44, 1.04), outfit), *arms, head(0.02, 1.35, outfit)
    )


def rider(
    seat: tuple[float, float],
    bars: tuple[float, float],
    feet: tuple[float, float],
    lean: float,
    rng: np.random.Generator,
) -> Shape:
    """Someone on a cycle; seat, bars and feet as (x, z). The helmet is the highest thing."""
    outfit = Outfit.draw(rng)
    sx, sz = seat
    bx, bz = bars
    fx, fz = feet
    knee = ((sx + fx) / 2 + 0.22, (sz + fz) / 2 + 0.10)
    shoulder = (sx + lean, sz + 0.50)
    legs = [
        limb([(sx, y, sz + 0.03), (knee[0], y, knee[1]), (fx, y, fz)], outfit.trousers, SHOES, 0.07)
        for y in (-0.12, 0.12)
    ]
    arms = [
        path([(shoulder[0], 0.9 * y, shoulder[1]), (bx, y, bz)], 0.05, outfit.shirt)
        for y in (-0.24, 0.24)
    ]
    helmet = CLOTHES[rng.integers(len(CLOTHES))]
    body = torso((sx - 0.12, sx + 0.11), (sz, sz + 0.56), outfit, lean)
    return join(*legs, *arms, body, head(shoulder[0] + 0.06, shoulder[1] + 0.40, outfit, helmet))
