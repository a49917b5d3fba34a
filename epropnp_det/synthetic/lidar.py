"""The LiDAR: one point for every beam that hits something within its range, without noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .raycast import SKY
from .rig import Lidar
from .stage import Stage

GROUND_INTENSITY = 12.0


@dataclass(frozen=True)
class Sweep:
    """`points` (N, 5) float32 in the LiDAR's frame: x, y, z [m], intensity, ring; `owner` (N,): an
    index of a track or SCENERY.
    """

    points: np.ndarray
    owner: np.ndarray


def sweep(lidar: Lidar, matrix: np.ndarray, stage: Stage) -> Sweep:
    """`matrix` (4, 4) takes the LiDAR's frame to the scene's. All beams fire at once, as in a sweep
    whose motion is compensated.
    """
    directions, ring = lidar.directions()
    hits = stage.caster.first_hits(matrix[:3, 3], directions @ matrix[:3, :3].T)
    near = (hits.triangle != SKY) & (hits.distance < lidar.max_range)
    triangle = hits.triangle[near]
    xyz = hits.distance[near, None] * directions[near]
    brightness = 100 * stage.colors.mean(axis=1)
    intensity = np.where(triangle >= 0, brightness[np.maximum(triangle, 0)], GROUND_INTENSITY)
    points = np.column_stack([xyz, np.round(intensity), ring[near]]).astype(np.float32)
    return Sweep(points, stage.owners(triangle))
