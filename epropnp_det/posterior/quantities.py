"""The quantities of a pose whose regions are known, for poses (x, y, z, yaw) and (x, y, z,
quaternion).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from .ranking import (
    RankedSamples,
    ranked_orientation,
    ranked_pose,
    ranked_position,
    ranked_yaw,
)


@dataclass(frozen=True)
class Quantity:
    """A part of a pose.

    Args:
        shown: its name in words.
        unit: the unit of the volume of its regions.
        columns: places of its numbers in a pose (..., D).
        rank: makes ranked samples of those numbers and their weights.
        oriented: whether it depends on the orientation of the object.
    """

    shown: str
    unit: str
    columns: list[int] | int
    rank: Callable[[np.ndarray, np.ndarray], RankedSamples]
    oriented: bool = False

    def ranked(self, pose: np.ndarray, weight: np.ndarray) -> RankedSamples:
        """From pose samples (S, D) and their weights (S,)."""
        return self.rank(pose[:, self.columns], weight)

    def levels(self, ranked: RankedSamples, pose: np.ndarray) -> np.ndarray:
        """(A,) levels of poses (A, D)."""
        return ranked.levels(pose[:, self.columns])


_DEPTH = Quantity("depth (z)", "m", [2], ranked_position)
YAW_POSE: Mapping[str, Quantity] = MappingProxyType(
    dict(
        yaw=Quantity("yaw", "rad", 3, ranked_yaw, oriented=True),
        position=Quantity("position on the ground (x, z)", "m2", [0, 2], ranked_position),
        depth=_DEPTH,
        pose=Quantity("pose (x, y, z, yaw)", "m3 rad", [0, 1, 2, 3], ranked_pose, oriented=True),
    )
)
RIGID_POSE: Mapping[str, Quantity] = MappingProxyType(
    dict(
        orientation=Quantity(
            "orientation", "rad3", [3, 4, 5, 6], ranked_orientation, oriented=True
        ),
        position=Quantity("position (x, y, z)", "m3", [0, 1, 2], ranked_position),
        depth=_DEPTH,
        pose=Quantity("pose", "m3 rad3", [0, 1, 2, 3, 4, 5, 6], ranked_pose, oriented=True),
    )
)


def quantities_of(dims: int) -> Mapping[str, Quantity]:
    """The quantities of poses of 4 or 7 numbers."""
    return {4: YAW_POSE, 7: RIGID_POSE}[dims]
