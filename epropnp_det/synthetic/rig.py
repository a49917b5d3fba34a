"""The sensors on the vehicle: mounting, intrinsics, time of firing.

The layout is that of nuScenes' vehicles, with rounded numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pyquaternion import Quaternion

from .motion import rigid_matrix

IMAGE_SIZE = (1600, 900)  # width, height
LIDAR = "LIDAR_TOP"

# Camera axes (right, down, forward) of a camera that points straight ahead, as columns in the ego
# frame (forward, left, up).
_LOOKING_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Camera:
    """Heading against the vehicle's and tilts in degrees (pitch: downwards), focal length and
    principal point in pixels.

    `lead`: microseconds by which it fires before the LiDAR.
    """

    channel: str
    heading: float
    pitch: float
    roll: float
    translation: tuple[float, float, float]
    focal: float
    center: tuple[float, float]
    lead: int

    @property
    def rotation(self) -> Quaternion:
        """Camera to ego."""
        heading = Quaternion(axis=(0.0, 0.0, 1.0), degrees=self.heading)
        tilt = Quaternion(axis=(1.0, 0.0, 0.0), degrees=-self.pitch) * Quaternion(
            axis=(0.0, 0.0, 1.0), degrees=self.roll
        )
        return heading * Quaternion(matrix=_LOOKING_AHEAD) * tilt

    @property
    def intrinsic(self) -> np.ndarray:
        return np.array(
            [[self.focal, 0.0, self.center[0]], [0.0, self.focal, self.center[1]], [0.0, 0.0, 1.0]]
        )

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4), camera to ego."""
        return rigid_matrix(self.rotation, np.array(self.translation))


@dataclass(frozen=True)
class Lidar:
    """A spinning LiDAR, x to the right and y ahead as on nuScenes' vehicles; elevations in degrees,
    range in metres.
    """

    channel: str = LIDAR
    translation: tuple[float, float, float] = (0.94, 0.0, 1.84)
    beams: int = 32
    elevation: tuple[float, float] = (-30.67, 10.67)
    steps: int = 1084
    max_range: float = 100.0

    @property
    def rotation(self) -> Quaternion:
        """LiDAR to ego."""
        return Quaternion(axis=(0.0, 0.0, 1.0), degrees=-90.2) * Quaternion(
            axis=(1.0, 0.0, 0.0), degrees=-0.5
        )

    @property
    def matrix(self) -> np.ndarray:
        """(4, 4), LiDAR to ego."""
        return rigid_matrix(self.rotation, np.array(self.translation))

    def directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Unit vectors (steps x beams, 3) in the LiDAR frame, and the beam (ring, from below) of
        each.
        """
        elevation = np.radians(np.linspace(*self.elevation, self.beams))
        azimuth = 2 * math.pi * np.arange(self.steps) / self.steps
        azimuth, elevation = (
            grid.ravel() for grid in np.meshgrid(azimuth, elevation, indexing="ij")
        )
        level = np.cos(elevation)
        directions = np.stack(
            [level * np.sin(azimuth), level * np.cos(azimuth), np.sin(elevation)], axis=-1
        )
        return directions, np.tile(np.arange(self.beams), self.steps)


CAMERAS = (
    Camera("CAM_FRONT", 0.3, 0.4, -0.2, (1.70, 0.02, 1.51), 1266.4, (816.3, 491.5), 35500),
    Camera("CAM_FRONT_RIGHT", -56.4, 0.6, 0.3, (1.55, -0.49, 1.50), 1260.8, (808.0, 495.3), 27600),
    Camera("CAM_FRONT_LEFT", 55.1, 0.2, 0.3, (1.52, 0.49, 1.51), 1272.6, (826.6, 479.8), 43100),
    Camera("CAM_BACK", 179.6, 1.0, 0.1, (0.03, 0.00, 1.58), 809.2, (829.2, 481.8), 10400),
    Camera("CAM_BACK_LEFT", 108.6, 0.3, -0.6, (1.04, 0.48, 1.59), 1256.7, (792.1, 492.8), 600),
    Camera("CAM_BACK_RIGHT", -110.2, 0.7, 0.7, (1.01, -0.48, 1.56), 1259.5, (807.3, 501.2), 20100),
)
