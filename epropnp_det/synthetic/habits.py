"""The rules by which a scene is filled: where each kind of object is, how it moves, how often."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .catalog import (
    BARRIER,
    BICYCLE,
    BUS,
    CAR,
    CONE,
    CYCLIST,
    MACHINE,
    MOTORCYCLE,
    MOTORCYCLIST,
    SITTER,
    STANDER,
    TRAILER,
    TRUCK,
    WALKER,
    Kind,
)
from .ground import cross_road
from .motion import Motion
from .road import PARKING, Road
from .scenery import Lot
from .vehicles import Lamps

# Metres of road before the vehicle's start and beyond its goal where things are put.
MARGIN = 58.0
WORKS_LENGTH = 20.0
FENCE_STEP = 2.7


@dataclass(frozen=True)
class Site:
    """The ground on which places are chosen. The vehicle drives along `road` from s = 0 at `speed`
    for `duration` seconds.

    `works` are stretches of road under repair: s where each begins, and its side, 1 for the left or
    -1.
    """

    road: Road
    lots: tuple[Lot, ...]
    works: tuple[tuple[float, float], ...]
    speed: float
    duration: float

    @property
    def length(self) -> float:
        return self.speed * self.duration

    @property
    def fence(self) -> float:
        """|d| of the line between works and traffic: the outer lane is closed where there are
        two.
        """
        return self.road.kerb - (0.2 if self.road.lanes == 1 else 3.0)

    def any_s(self, rng: np.random.Generator) -> float:
        """Anywhere along the road but on the junction."""
        gap = 2 * cross_road(self.road).edge
        s = rng.uniform(-MARGIN, self.length + MARGIN - gap)
        return s if s < self.road.crossing - gap / 2 else s + gap


Place = Callable[[Site, np.random.Generator], Motion]


def driving(low: float, high: float) -> Place:
    """In a lane, at low to high m/s; within 55 m of the vehicle at some time."""

    def place(site: Site, rng: np.random.Generator) -> Motion:
        time = rng.uniform(0, site.duration)
        direction = rng.choice([-1.0, 1.0])
        s = site.speed * time + rng.uniform(-50, 55)
        d = direction * site.road.lane_center(int(rng.integers(site.road.lanes)))
        return site.road.drive(s, d, rng.uniform(low, high)).at(-time)

    return place


def passing_through(low: float, high: float) -> Place:
    """Over the junction on the road across, at low to high m/s."""

    def place(site: Site, rng: np.random.Generator) -> Motion:
        across = cross_road(site.road)
        direction = rng.choice([-1.0, 1.0])
        return across.drive(
            rng.uniform(-35, 35), direction * across.lane_center(0), rng.uniform(low, high)
        ).at(-rng.uniform(0, site.duration))

    return place


def waiting(site: Site, rng: np.random.Generator) -> Motion:
    """Stopped in a lane: before the stop line of the road across, or anywhere in the traffic."""
    direction = rng.choice([-1.0, 1.0])
    if rng.random() < 0.6:
        across = cross_road(site.road)
        s = direction * (site.road.kerb + 8.0 + 7.5 * int(rng.integers(4)) + rng.uniform(0, 1))
        # Who waits at s < 0 drives towards growing s, on the right of the middle.
        return across.drive(s, -direction * across.lane_center(0), 0.0)
    d = direction * site.road.lane_center(int(rng.integers(site.road.lanes)))
    return site.road.drive(site.any_s(rng), d, 0.0)


def at_the_kerb(site: Site, rng: np.random.Generator) -> Motion:
    """In the parking strip, along the road."""
    side = rng.choice([-1.0, 1.0])
    yaw = (math.pi if side > 0 else 0.0) + rng.normal(0, 0.05)
    return site.road.stand(site.any_s(rng), side * (site.road.kerb + PARKING / 2), yaw)


def on_a_lot(site: Site, rng: np.random.Generator) -> Motion:
    """Anywhere on a lot, at any heading."""
    lot = site.lots[rng.integers(len(site.lots))]
    inner = 4.0  # objects here are up to 8 m long; longer ones reach over the edge
    s = rng.uniform(lot.s[0] + inner, lot.s[1] - inner)
    return site.road.stand(
        s, rng.uniform(lot.d[0] + inner, lot.d[1] - inner), rng.uniform(-math.pi, math.pi)
    )


def on_the_pavement(site: Site, rng: np.random.Generator) -> Motion:
    """Standing next to the road, at any heading."""
    d = rng.choice([-1.0, 1.0]) * rng.uniform(site.road.pavement + 0.9, site.road.edge + 2.0)
    return site.road.stand(site.any_s(rng), d, rng.uniform(-math.pi, math.pi))


def along_the_pavement(low: float, high: float) -> Place:
    """Both ways on either pavement, at low to high m/s."""

    def place(site: Site, rng: np.random.Generator) -> Motion:
        d = rng.choice([-1.0, 1.0]) * rng.uniform(site.road.pavement + 1.0, site.road.edge - 0.4)
        motion = site.road.drive(site.any_s(rng), d, rng.uniform(low, high))
        back = rng.random() < 0.5
        return Motion(
            motion.x,
            motion.y,
            motion.yaw + math.pi * back,
            motion.speed,
            motion.turn_rate * (-1 if back else 1),
        )

    return place


def strolling(site: Site, rng: np.random.Generator) -> Motion:
    """On foot over a lot or over the road, in any direction."""
    on_the_road = site.road.stand(
        site.any_s(rng),
        rng.uniform(-site.road.kerb, site.road.kerb),
        rng.uniform(-math.pi, math.pi),
    )
    spot = on_a_lot(site, rng) if rng.random() < 0.6 else on_the_road
    return Motion(spot.x, spot.y, spot.yaw, rng.uniform(0.8, 1.8)).at(
        -rng.uniform(0, site.duration)
    )


def along_the_edge(low: float, high: float) -> Place:
    """Cycling at the right edge of the lanes."""

    def place(site: Site, rng: np.random.Generator) -> Motion:
        time = rng.uniform(0, site.duration)
        direction = rng.choice([-1.0, 1.0])
        s = site.speed * time + rng.uniform(-45, 50)
        return site.road.drive(
            s, direction * (site.road.kerb + rng.uniform(-0.6, 0.4)), rng.uniform(low, high)
        ).at(-time)

    return place


def in_roadworks(site: Site, rng: np.random.Generator) -> Motion:
    """In the strip of the road that is closed for works, at any heading."""
    start, side = site.works[rng.integers(len(site.works))]
    d = side * rng.uniform(site.fence + 0.5, site.road.pavement)
    return site.road.stand(start + rng.uniform(0, WORKS_LENGTH), d, rng.uniform(-math.pi, math.pi))


def fencing_roadworks(site: Site, rng: np.random.Generator) -> Motion:
    """Along the line between works and traffic, barriers broad side on."""
    start, side = site.works[rng.integers(len(site.works))]
    d = side * (site.fence + rng.normal(0, 0.1))
    yaw = math.pi / 2 + rng.normal(0, 0.06) + math.pi * int(rng.integers(2))
    return site.road.stand(start + FENCE_STEP * int(rng.integers(-1, 9)), d, yaw)


@dataclass(frozen=True)
class Habit:
    """`density`: expected number on 100 m of road, before those for which there is no room."""

    kind: Kind
    place: Place
    attribute: str
    lamps: Lamps
    density: float
    towing: Kind | None = None


MOVING = "vehicle.moving"
STOPPED = "vehicle.stopped"
PARKED = "vehicle.parked"
RIDDEN = "cycle.with_rider"
UNRIDDEN = "cycle.without_rider"
WALKING = "pedestrian.moving"
STANDING = "pedestrian.standing"
SITTING = "pedestrian.sitting_lying_down"
NOTHING = ""

# Large things first: they find room while there is some.
HABITS: tuple[Habit, ...] = (
    Habit(TRUCK, driving(6, 10), MOVING, Lamps.DRIVING, 0.3, towing=TRAILER),
    Habit(BUS, driving(6, 10), MOVING, Lamps.DRIVING, 0.5),
    Habit(TRAILER, on_a_lot, PARKED, Lamps.OFF, 0.9),
    Habit(TRAILER, at_the_kerb, PARKED, Lamps.OFF, 0.5),
    Habit(BUS, on_a_lot, PARKED, Lamps.OFF, 0.8),
    Habit(BUS, waiting, STOPPED, Lamps.BRAKING, 0.3),
    Habit(BUS, at_the_kerb, STOPPED, Lamps.BRAKING, 0.2),
    Habit(TRUCK, driving(6, 10), MOVING, Lamps.DRIVING, 0.3),
    Habit(TRUCK, on_a_lot, PARKED, Lamps.OFF, 0.6),
    Habit(TRUCK, at_the_kerb, PARKED, Lamps.OFF, 0.3),
    Habit(TRUCK, waiting, STOPPED, Lamps.BRAKING, 0.2),
    Habit(TRUCK, passing_through(5, 8), MOVING, Lamps.DRIVING, 0.2),
    Habit(MACHINE, in_roadworks, PARKED, Lamps.OFF, 0.8),
    Habit(MACHINE, on_a_lot, PARKED, Lamps.OFF, 0.9),
    Habit(MACHINE, driving(2, 5), MOVING, Lamps.DRIVING, 0.5),
    Habit(CAR, driving(6, 11), MOVING, Lamps.DRIVING, 1.9),
    Habit(CAR, passing_through(5, 9), MOVING, Lamps.DRIVING, 0.6),
    Habit(CAR, waiting, STOPPED, Lamps.BRAKING, 0.7),
    Habit(CAR, at_the_kerb, PARKED, Lamps.OFF, 1.3),
    Habit(CAR, on_a_lot, PARKED, Lamps.OFF, 2.1),
    Habit(MOTORCYCLIST, driving(6, 11), RIDDEN, Lamps.DRIVING, 0.8),
    Habit(MOTORCYCLIST, passing_through(5, 9), RIDDEN, Lamps.DRIVING, 0.2),
    Habit(MOTORCYCLE, at_the_kerb, UNRIDDEN, Lamps.OFF, 0.4),
    Habit(MOTORCYCLE, on_the_pavement, UNRIDDEN, Lamps.OFF, 0.7),
    Habit(CYCLIST, along_the_edge(3, 6), RIDDEN, Lamps.DRIVING, 1.1),
    Habit(CYCLIST, passing_through(3, 5), RIDDEN, Lamps.DRIVING, 0.3),
    Habit(BICYCLE, on_the_pavement, UNRIDDEN, Lamps.OFF, 1.3),
    Habit(BARRIER, fencing_roadworks, NOTHING, Lamps.OFF, 1.9),
    Habit(BARRIER, in_roadworks, NOTHING, Lamps.OFF, 0.4),
    Habit(BARRIER, on_the_pavement, NOTHING, Lamps.OFF, 0.8),
    Habit(CONE, fencing_roadworks, NOTHING, Lamps.OFF, 1.4),
    Habit(CONE, in_roadworks, NOTHING, Lamps.OFF, 1.0),
    Habit(CONE, on_the_pavement, NOTHING, Lamps.OFF, 0.7),
    Habit(WALKER, along_the_pavement(0.9, 1.8), WALKING, Lamps.OFF, 1.9),
    Habit(WALKER, strolling, WALKING, Lamps.OFF, 1.3),
    Habit(STANDER, on_the_pavement, STANDING, Lamps.OFF, 1.4),
    Habit(STANDER, in_roadworks, STANDING, Lamps.OFF, 0.4),
    Habit(SITTER, on_the_pavement, SITTING, Lamps.OFF, 0.8),
)
