"""Cars, trucks, trailers and buses. Front and rear always differ: windscreen, white lamps and
grille ahead, red lamps behind.

Builders take the size (length, width, height) in metres, random numbers and the state of the lamps.
Their shape has roughly that size; `Shape.fitted` makes it exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from .shapes import (
    Color,
    Extent,
    Frustum,
    Range,
    Shape,
    box,
    frustum,
    join,
    mirrored,
    panel,
    prism,
    side,
    tube,
)

Size = tuple[float, float, float]

GLASS: Color = (0.07, 0.10, 0.14)
TYRE: Color = (0.05, 0.05, 0.05)
HUB: Color = (0.62, 0.63, 0.65)
TRIM: Color = (0.09, 0.09, 0.10)
STEEL: Color = (0.55, 0.56, 0.58)

CAR_PAINTS: tuple[Color, ...] = (
    (0.90, 0.90, 0.90),
    (0.72, 0.73, 0.75),
    (0.30, 0.31, 0.33),
    (0.12, 0.12, 0.13),
    (0.55, 0.08, 0.08),
    (0.10, 0.20, 0.50),
    (0.12, 0.30, 0.22),
    (0.70, 0.60, 0.42),
    (0.85, 0.55, 0.10),
    (0.30, 0.50, 0.72),
)
TRUCK_PAINTS: tuple[Color, ...] = (
    (0.88, 0.88, 0.88),
    (0.70, 0.12, 0.10),
    (0.12, 0.25, 0.55),
    (0.20, 0.42, 0.25),
    (0.80, 0.62, 0.15),
)
CARGO_PAINTS: tuple[Color, ...] = (
    (0.92, 0.92, 0.90),
    (0.80, 0.80, 0.78),
    (0.62, 0.68, 0.72),
    (0.85, 0.78, 0.60),
    (0.35, 0.45, 0.60),
)
BUS_PAINTS: tuple[Color, ...] = (
    (0.88, 0.86, 0.82),
    (0.75, 0.15, 0.15),
    (0.15, 0.40, 0.65),
    (0.90, 0.70, 0.15),
    (0.25, 0.55, 0.35),
)


class Lamps(Enum):
    """State of the lamps: off when parked, head lamps when driving, brake lamps when stopped in
    traffic.
    """

    OFF = "off"
    DRIVING = "driving"
    BRAKING = "braking"


def paint(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """One of the colours, a little lighter or darker."""
    red, green, blue = np.clip(
        np.array(colors[rng.integers(len(colors))]) * rng.uniform(0.85, 1.1), 0, 1
    )
    return (red, green, blue)


def head_lamp(lamps: Lamps) -> dict:
    return (
        dict(color=(0.58, 0.64, 0.70))
        if lamps is Lamps.OFF
        else dict(color=(1.0, 1.0, 0.92), glow=1.0)
    )


def tail_lamp(lamps: Lamps) -> dict:
    return (
        dict(color=(1.0, 0.10, 0.06), glow=1.0)
        if lamps is Lamps.BRAKING
        else dict(color=(0.62, 0.03, 0.04), glow=0.25)
    )


def axle(x: float, width: float, radius: float, tyre_width: float = 0.24) -> Shape:
    """Two wheels whose tyres end where a body of this width does."""
    outer = width / 2
    tyre = tube((x, outer - tyre_width, radius), (x, outer, radius), radius, TYRE, sides=14)
    hub = tube((x, outer, radius), (x, outer + 0.01, radius), 0.58 * radius, HUB, sides=8)
    return mirrored(join(tyre, hub))


def front_face(face: np.ndarray, lamps: Lamps, low: float = 0.30, high: float = 0.55) -> Shape:
    """Head lamps at both edges, a dark grille between them, a white number plate."""
    return join(
        panel(face, (0.03, 0.24), (low, high), **head_lamp(lamps)),
        panel(face, (0.76, 0.97), (low, high), **head_lamp(lamps)),
        panel(face, (0.30, 0.70), (low, high), TRIM),
        panel(face, (0.40, 0.60), (0.3 * low, 0.75 * low), (0.93, 0.93, 0.93)),
    )


def rear_face(face: np.ndarray, lamps: Lamps, low: float = 0.45, high: float = 0.75) -> Shape:
    """Red lamps at both edges, a yellow number plate."""
    return join(
        panel(face, (0.03, 0.22), (low, high), **tail_lamp(lamps)),
        panel(face, (0.78, 0.97), (low, high), **tail_lamp(lamps)),
        panel(face, (0.38, 0.62), (0.30 * low, 0.75 * low), (0.93, 0.80, 0.20)),
    )


@dataclass(frozen=True)
class CarBody:
    """Side view of a car: heights as shares of the height, places along the car as shares of the
    length from the rear.
    """

    hood: float
    belt: float
    rear_glass: float
    roof_rear: float
    roof_front: float
    windscreen: float


CAR_BODIES = (
    CarBody(
        hood=0.54, belt=0.63, rear_glass=0.13, roof_rear=0.28, roof_front=0.56, windscreen=0.73
    ),  # saloon
    CarBody(
        hood=0.52, belt=0.60, rear_glass=0.01, roof_rear=0.10, roof_front=0.58, windscreen=0.76
    ),  # hatchback
    CarBody(
        hood=0.57, belt=0.62, rear_glass=0.01, roof_rear=0.06, roof_front=0.60, windscreen=0.74
    ),  # SUV
    CarBody(
        hood=0.50, belt=0.58, rear_glass=0.005, roof_rear=0.02, roof_front=0.68, windscreen=0.90
    ),  # van
)


def car(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    return _car_with_body(
        size, CAR_BODIES[rng.integers(len(CAR_BODIES))], paint(rng, CAR_PAINTS), lamps
    )


def _car_with_body(size: Size, body: CarBody, color: Color, lamps: Lamps) -> Shape:
    length, width, height = size
    x = _along(length)
    ends = dict(x=(x(0), x(1)), y=(-width / 2, width / 2))
    lower = prism(
        [
            (x(0), 0.20 * height),
            (x(1), 0.20 * height),
            (x(1), 0.46 * height),
            (x(0.975), body.hood * height - 0.02),
            (x(body.windscreen), body.belt * height),
            (x(min(body.rear_glass, 0.04)), body.belt * height),
            (x(0), 0.56 * height),
        ],
        ends["y"],
        color,
    )
    front = side("front", ends["x"], ends["y"], (0.20 * height, 0.46 * height))
    back = side("back", ends["x"], ends["y"], (0.20 * height, 0.56 * height))
    wheel = min(0.38, 0.22 * height)
    return join(
        lower,
        _cabin(x, body, width, height, color),
        front_face(front, lamps, 0.52, 0.92),
        rear_face(back, lamps, 0.58, 0.95),
        box(
            (x(0.01), x(0.99)), (-0.48 * width, 0.48 * width), (0.13 * height, 0.21 * height), TRIM
        ),
        axle(x(0.19), width + 0.04, wheel),
        axle(x(0.81), width + 0.04, wheel),
    )


def _along(length: float):
    """Shares of the length from the rear, as x."""
    return lambda share: (share - 0.5) * length


def _cabin(x, body: CarBody, width: float, height: float, color: Color) -> Shape:
    bottom = (x(body.rear_glass), x(body.windscreen))
    top = (x(body.roof_rear), x(body.roof_front))
    low = (-0.48 * width, 0.48 * width)
    high = (-0.40 * width, 0.40 * width)
    sides = Frustum(x=bottom, y=low, z=(body.belt * height - 0.03, height), top_x=top, top_y=high)
    windows = [
        ((0.04, 0.46), (0.50, 0.78)),
        ((0.22, 0.50), (0.54, 0.96)),
    ]  # left and right sides run in opposite senses
    return join(
        frustum(color=color, **sides),
        panel(side("front", **sides), (0.05, 0.95), (0.08, 0.92), GLASS),
        panel(side("back", **sides), (0.10, 0.90), (0.25, 0.88), TRIM),
        *(panel(side("left", **sides), u, (0.12, 0.85), GLASS) for u in windows[0]),
        *(panel(side("right", **sides), u, (0.12, 0.85), GLASS) for u in windows[1]),
    )


def pickup(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A light truck with an open bed."""
    length, width, height = size
    x = _along(length)
    color = paint(rng, CAR_PAINTS)
    body = CarBody(
        hood=0.56, belt=0.60, rear_glass=0.38, roof_rear=0.42, roof_front=0.62, windscreen=0.75
    )
    bed = box(
        (x(0.03), x(0.36)), (-0.42 * width, 0.42 * width), (0.60 * height, 0.61 * height), TRIM
    )
    return join(_car_with_body(size, body, color, lamps), bed)


def truck(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    kinds = (box_truck, dump_truck, pickup) if size[0] < 7.0 else (box_truck, dump_truck)
    return kinds[rng.integers(len(kinds))](size, rng, lamps)


def box_truck(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A cab and a box that is higher than the cab."""
    length, width, height = size
    x = _along(length)
    color = paint(rng, TRUCK_PAINTS)
    cab = min(2.0, 0.30 * length)
    cargo = Extent(
        x=(x(0), x(1) - cab - 0.15), y=(-width / 2, width / 2), z=(0.28 * height, height)
    )
    paintwork = paint(rng, CARGO_PAINTS)
    stripe = paint(rng, TRUCK_PAINTS)
    return join(
        _cab((x(1) - cab, x(1)), width, 0.80 * height, color, lamps),
        box(**cargo, color=paintwork),
        panel(side("left", **cargo), (0.08, 0.92), (0.40, 0.60), stripe),
        panel(side("right", **cargo), (0.08, 0.92), (0.40, 0.60), stripe),
        _rear_doors(side("back", **cargo), lamps),
        _chassis(x, length, width, height),
    )


def dump_truck(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A cab and an open tipping body that widens upwards."""
    length, width, height = size
    x = _along(length)
    color = paint(rng, TRUCK_PAINTS)
    cab = min(2.2, 0.33 * length)
    z = (0.36 * height, 0.80 * height)
    body = Frustum(
        x=(x(0.03), x(1) - cab - 0.2),
        y=(-0.42 * width, 0.42 * width),
        z=z,
        top_x=(x(0), x(1) - cab - 0.1),
        top_y=(-width / 2, width / 2),
    )
    load = frustum(
        (x(0.02), x(1) - cab - 0.3),
        (-0.46 * width, 0.46 * width),
        (z[1] - 0.05, z[1] + 0.14 * height),
        (x(0.22), x(0.85) - cab),
        (-0.2 * width, 0.2 * width),
        (0.45, 0.36, 0.26),
    )
    return join(
        _cab((x(1) - cab, x(1)), width, height, color, lamps),
        frustum(color=paint(rng, TRUCK_PAINTS), **body),
        load,
        rear_face(side("back", **body), lamps, 0.08, 0.30),
        _chassis(x, length, width, height),
    )


def tractor(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """What pulls a semi-trailer: a cab before a bare frame."""
    length, width, height = size
    x = _along(length)
    cab = 0.46 * length
    frame = Extent(
        x=(x(0), x(1) - cab), y=(-0.35 * width, 0.35 * width), z=(0.22 * height, 0.33 * height)
    )
    return join(
        _cab((x(1) - cab, x(1)), width, height, paint(rng, TRUCK_PAINTS), lamps),
        box(**frame, color=TRIM),
        rear_face(side("back", **frame), lamps, 0.2, 0.8),
        axle(x(0.14), width, 0.5, 0.5),
        axle(x(0.84), width, 0.5, 0.35),
    )


def _cab(x: Range, width: float, height: float, color: Color, lamps: Lamps) -> Shape:
    """An upright cab: windscreen over grille and lamps, door windows, mirrors."""
    y = (-0.48 * width, 0.48 * width)
    sides = Frustum(x=x, y=y, z=(0.16 * height, height), top_x=(x[0], x[1] - 0.12), top_y=y)
    front = side("front", **sides)
    return join(
        frustum(color=color, **sides),
        panel(front, (0.06, 0.94), (0.52, 0.88), GLASS),
        front_face(front, lamps, 0.14, 0.26),
        panel(front, (0.20, 0.80), (0.28, 0.45), TRIM),
        panel(side("left", **sides), (0.12, 0.62), (0.52, 0.86), GLASS),
        panel(side("right", **sides), (0.38, 0.88), (0.52, 0.86), GLASS),
        mirrored(
            box(
                (x[1] - 0.25, x[1] - 0.12),
                (0.48 * width, 0.5 * width),
                (0.55 * height, 0.78 * height),
                TRIM,
            )
        ),
    )


def _chassis(x, length: float, width: float, height: float) -> Shape:
    wheel = min(0.5, 0.17 * height)
    rear = [0.14, 0.28] if length > 8.5 else [0.18]
    frame = box(
        (x(0.01), x(0.93)), (-0.38 * width, 0.38 * width), (0.15 * height, 0.30 * height), TRIM
    )
    return join(frame, *(axle(x(share), width, wheel, 0.35) for share in [*rear, 0.84]))


def _rear_doors(face: np.ndarray, lamps: Lamps) -> Shape:
    """Two leaves with bars, red and white warning stripes and the lamps below."""
    stripes = [
        panel(face, (0.04 + 0.115 * i, 0.155 + 0.115 * i), (0.09, 0.14), _WARNING[i % 2])
        for i in range(8)
    ]
    return join(
        panel(face, (0.49, 0.51), (0.18, 0.97), TRIM),
        panel(face, (0.25, 0.27), (0.18, 0.97), STEEL),
        panel(face, (0.73, 0.75), (0.18, 0.97), STEEL),
        panel(face, (0.02, 0.20), (0.00, 0.08), **tail_lamp(lamps)),
        panel(face, (0.80, 0.98), (0.00, 0.08), **tail_lamp(lamps)),
        *stripes,
    )


_WARNING: tuple[Color, Color] = ((0.80, 0.05, 0.05), (0.95, 0.95, 0.95))


def trailer(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A semi-trailer: legs and a cooling unit ahead, three axles and doors behind."""
    length, width, height = size
    x = _along(length)
    cargo = Extent(x=(x(0), x(1) - 0.35), y=(-width / 2, width / 2), z=(0.28 * height, height))
    cooler = Extent(
        x=(x(1) - 0.35, x(1)), y=(-0.35 * width, 0.35 * width), z=(0.58 * height, 0.95 * height)
    )
    wheel = min(0.5, 0.15 * height)
    stripe = paint(rng, TRUCK_PAINTS)
    legs = mirrored(
        box((x(0.76), x(0.76) + 0.25), (0.25 * width, 0.34 * width), (0.0, 0.3 * height), STEEL)
    )
    return join(
        box(**cargo, color=paint(rng, CARGO_PAINTS)),
        box(**cooler, color=STEEL),
        panel(side("front", **cooler), (0.15, 0.85), (0.15, 0.6), TRIM),
        panel(
            side("left", **cargo), (0.04, 0.30), (0.30, 0.85), stripe
        ),  # the logo sits towards the front
        panel(side("right", **cargo), (0.70, 0.96), (0.30, 0.85), stripe),
        _rear_doors(side("back", **cargo), lamps),
        box((x(0.02), x(0.95)), (-0.3 * width, 0.3 * width), (0.20 * height, 0.29 * height), TRIM),
        legs,
        *(
            axle(x(share), width, wheel, 0.4)
            for share in (0.10, 0.10 + 1.25 / length, 0.10 + 2.5 / length)
        ),
    )


def bus(size: Size, rng: np.random.Generator, lamps: Lamps) -> Shape:
    """A large windscreen and a lit sign ahead, doors on the right, a row of windows, the engine's
    grille behind.
    """
    length, width, height = size
    x = _along(length)
    color = paint(rng, BUS_PAINTS)
    y = (-width / 2, width / 2)
    sides = Frustum(
        x=(x(0), x(1)),
        y=y,
        z=(0.11 * height, height),
        top_x=(x(0) + 0.08, x(1) - 0.12),
        top_y=(-0.47 * width, 0.47 * width),
    )
    front, back, left, right = (side(name, **sides) for name in ("front", "back", "left", "right"))
    count = max(4, round(length / 1.8))
    spans = [((i + 0.08) / count, (i + 0.92) / count) for i in range(count)]
    return join(
        frustum(color=color, **sides),
        panel(front, (0.05, 0.95), (0.34, 0.80), GLASS),
        panel(front, (0.20, 0.80), (0.84, 0.94), (1.0, 0.62, 0.10), glow=0.8),
        front_face(front, lamps, 0.12, 0.22),
        panel(back, (0.15, 0.85), (0.62, 0.85), GLASS),
        panel(back, (0.20, 0.80), (0.22, 0.48), TRIM),
        rear_face(back, lamps, 0.10, 0.24),
        *(panel(left, span, (0.50, 0.82), GLASS) for span in spans),
        *(panel(right, span, (0.50, 0.82), GLASS) for span in spans[: count // 2]),
        panel(right, (0.90, 0.98), (0.06, 0.82), GLASS),
        panel(right, (0.52, 0.62), (0.06, 0.82), GLASS),
        axle(x(0.25), width + 0.04, 0.15 * height, 0.35),
        axle(x(0.80), width + 0.04, 0.15 * height, 0.35),
    )
