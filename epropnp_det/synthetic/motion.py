"""How things move: on the ground, at constant speed, straight or along a circle.

Scene frame: x, y level, z up; metres, seconds, radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from pyquaternion import Quaternion

UP = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Motion:
    """Place and heading at time 0, speed along the heading [m/s] and turn rate [rad/s]."""

    x: float
    y: float
    yaw: float
    speed: float = 0.0
    turn_rate: float = 0.0

    def heading(self, time: float) -> float:
        return self.yaw + self.turn_rate * time

    def position(self, time: float) -> np.ndarray:
        """(2,); the chord of a circle is its arc times sin(a) / a, and points along the mean
        heading.
        """
        half_turn = self.turn_rate * time / 2
        chord = self.speed * time * float(np.sinc(half_turn / math.pi))
        heading = self.yaw + half_turn
        return np.array([self.x + chord * math.cos(heading), self.y + chord * math.sin(heading)])

    def velocity(self, time: float) -> np.ndarray:
        """(2,) m/s."""
        heading = self.heading(time)
        return self.speed * np.array([math.cos(heading), math.sin(heading)])

    def at(self, time: float) -> Motion:
        """The same motion with its time 0 at `time`."""
        x, y = self.position(time).tolist()
        return replace(self, x=x, y=y, yaw=self.heading(time))


@dataclass(frozen=True)
class EgoMotion:
    """The vehicle with the sensors: it drives, and its body rolls and pitches a little on its
    springs.

    Args:
        motion: that of the middle of its rear axle, on the ground.
        tilt: amplitude of roll and pitch [rad].
        phase: phase of roll and pitch [rad].
    """

    motion: Motion
    tilt: tuple[float, float]
    phase: tuple[float, float]

    def rotation(self, time: float) -> Quaternion:
        roll = self.tilt[0] * math.sin(2 * math.pi * 0.9 * time + self.phase[0])
        pitch = self.tilt[1] * math.sin(2 * math.pi * 1.3 * time + self.phase[1])
        yaw = Quaternion(axis=UP, angle=self.motion.heading(time))
        return (
            yaw
            * Quaternion(axis=(0.0, 1.0, 0.0), angle=pitch)
            * Quaternion(axis=(1.0, 0.0, 0.0), angle=roll)
        )

    def translation(self, time: float) -> np.ndarray:
        return np.array([*self.motion.position(time), 0.0])

    def matrix(self, time: float) -> np.ndarray:
        """(4, 4), ego frame to scene frame."""
        return rigid_matrix(self.rotation(time), self.translation(time))


def rigid_matrix(rotation: Quaternion, translation: np.ndarray) -> np.ndarray:
    """(4, 4) of x -> rotation x + translation."""
    matrix = rotation.transformation_matrix
    matrix[:3, 3] = translation
    return matrix


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) moved by a rigid matrix (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def footprints(
    motion: Motion, size: tuple[float, float, float], times: np.ndarray, margin: float
) -> np.ndarray:
    """Corners (T, 4, 2) on the ground, `margin` metres larger on every side, of something of this
    length and width.
    """
    half = np.array(size[:2]) / 2 + margin
    corners = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)]) * half
    return np.stack([motion.position(t) + corners @ _turn(motion.heading(t)).T for t in times])


def _turn(yaw: float) -> np.ndarray:
    return np.array([[math.cos(yaw), -math.sin(yaw)], [math.sin(yaw), math.cos(yaw)]])
