"""The road a scene plays on: an arc of constant curvature with lanes, parking strips and pavements,
and a straight road across it.

Road coordinates: s along the middle line from the vehicle's start, d to the left of it; metres.
    Traffic keeps to the right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .motion import Motion

LANE = 3.4
PARKING = 2.6
PAVEMENT = 3.6

Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True)
class Road:
    """`yaw` of the middle line at s = 0, the scene's origin; curvature in 1/m, to the left."""

    yaw: float
    curvature: float
    lanes: int  # in each direction
    crossing: float  # s of the junction

    @property
    def kerb(self) -> float:
        """Where the lanes end and the parking strip begins, as |d|."""
        return self.lanes * LANE

    @property
    def pavement(self) -> float:
        return self.kerb + PARKING

    @property
    def edge(self) -> float:
        """Where the pavement ends."""
        return self.pavement + PAVEMENT

    def heading(self, s: Number) -> Number:
        return self.yaw + self.curvature * s

    def point(self, s: ArrayLike, d: ArrayLike) -> np.ndarray:
        """(..., 2) in the scene frame, of road coordinates (...)."""
        s, d = np.broadcast_arrays(np.asarray(s, dtype=float), np.asarray(d, dtype=float))
        half_turn = self.curvature * s / 2
        chord = s * np.sinc(half_turn / math.pi)
        mean_heading = self.yaw + half_turn
        heading = self.heading(s)
        x = chord * np.cos(mean_heading) - d * np.sin(heading)
        y = chord * np.sin(mean_heading) + d * np.cos(heading)
        return np.stack([x, y], axis=-1)

    def lane_center(self, lane: int) -> float:
        """d of lane 0, 1, ... counted from the middle, of traffic that drives with growing s;
        negate it for the other way.
        """
        return -(lane + 0.5) * LANE

    def drive(self, s: float, d: float, speed: float) -> Motion:
        """Keeps at distance d from the middle line, towards growing s for d < 0 and back for d >
        0.
        """
        x, y = self.point(s, d).tolist()
        direction = -1.0 if d > 0 else 1.0
        turn_rate = direction * speed * self.curvature / (1 - self.curvature * d)
        return Motion(x, y, self.heading(s) + (math.pi if d > 0 else 0.0), speed, turn_rate)

    def stand(self, s: float, d: float, yaw: float) -> Motion:
        """Stays at (s, d), with yaw against the direction of the road there."""
        x, y = self.point(s, d).tolist()
        return Motion(x, y, self.heading(s) + yaw)

    def outline(self, s: tuple[float, float], d: tuple[float, float]) -> np.ndarray:
        """Polygon (n, 2) in the scene frame around a piece of the road."""
        steps = np.linspace(*s, max(2, int(abs(s[1] - s[0]) / 2) + 2))
        return np.concatenate([self.point(steps, d[0]), self.point(steps[::-1], d[1])])
