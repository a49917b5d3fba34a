"""Symmetries of `models_info.json` as a list of poses under which the model stays the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from ..rigid_pose import RigidPose

# Largest way of a vertex between two members of a continuous symmetry, in diameters (BOP's).
STEP = 0.01
_METRES = 1e-3


def expand_symmetries(info: Mapping[str, Any], step: float = STEP) -> RigidPose:
    """All members of an object's symmetries, identity first, as the BOP toolkit expands them.

    The identity and every discrete symmetry are each turned by all steps of the continuous one. Of
    several continuous symmetries the toolkit takes each by itself, not their products.

    Args:
        info: the object's entry of `models_info.json`, in mm: `symmetries_discrete` (4x4 matrices
            row by row) and `symmetries_continuous` (`axis` and `offset`), both optional.
        step: step of continuous symmetries, in diameters.

    Returns:
        S poses of the model's frame [m].
    """
    matrices = np.reshape(info.get("symmetries_discrete", []), (-1, 4, 4)).astype(np.float64)
    matrices = np.concatenate([np.eye(4)[None], matrices])
    discrete = RigidPose(matrices[:, :3, :3], matrices[:, :3, 3] * _METRES)
    turns = [_turns(each, step) for each in info.get("symmetries_continuous", [])]
    if not turns:
        return discrete
    continuous = RigidPose(
        np.concatenate([turn.rotation for turn in turns]),
        np.concatenate([turn.translation for turn in turns]),
    )
    members = continuous[None].compose(discrete[:, None])
    return RigidPose(members.rotation.reshape(-1, 3, 3), members.translation.reshape(-1, 3))


def _turns(symmetry: Mapping[str, Any], step: float) -> RigidPose:
    """Steps of a whole turn about an axis through `offset`."""
    count = math.ceil(math.pi / step)
    axis = np.asarray(symmetry["axis"], dtype=np.float64)
    angles = 2 * np.pi / count * np.arange(count)
    rotation = Rotation.from_rotvec(angles[:, None] * axis / np.linalg.norm(axis)).as_matrix()
    offset = np.asarray(symmetry["offset"], dtype=np.float64) * _METRES
    return RigidPose(rotation, offset - rotation @ offset)
