"""How a predicted distribution spreads over the symmetric poses of an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..rigid_pose import RigidPose
from .judged_pose import JudgedPose
from .pose_errors import rotation_error


@dataclass(frozen=True)
class ModeShares:
    """Shares of the posterior's weight near each of the symmetric true poses of one object.

    Args:
        shares: (S,), summing to one, in the order of the model's symmetries.
    """

    object_id: int
    shares: np.ndarray

    @property
    def departure(self) -> float:
        """Largest difference of a share from 1 / S, what the symmetry demands."""
        return float(np.abs(self.shares - 1 / len(self.shares)).max())


def mode_shares(objects: Sequence[JudgedPose]) -> list[ModeShares]:
    """Shares for the objects that have discrete symmetries alone and a posterior.

    A sample counts for the symmetric true pose whose orientation is nearest to its own.
    """
    return [
        _shares(each)
        for each in objects
        if each.has_posterior
        and each.model.info.get("symmetries_discrete")
        and not each.model.info.get("symmetries_continuous")
    ]


def _shares(judged: JudgedPose) -> ModeShares:
    samples = RigidPose.from_vector(judged.samples)
    members = judged.truth.compose(judged.model.symmetries)
    nearest = rotation_error(samples.each_member(), members).argmin(axis=-1)
    shares = np.bincount(nearest, judged.weight, minlength=len(members.translation))
    return ModeShares(judged.model.object_id, shares / shares.sum())


def mode_table(shares: Sequence[ModeShares]) -> Mapping[int, tuple[int, float, float]]:
    """By object: number of symmetric poses, mean share of the largest mode, mean departure."""
    table = {}
    for object_id in sorted({each.object_id for each in shares}):
        own = [each for each in shares if each.object_id == object_id]
        largest = float(np.mean([each.shares.max() for each in own]))
        departure = float(np.mean([each.departure for each in own]))
        table[object_id] = (len(own[0].shares), largest, departure)
    return table
