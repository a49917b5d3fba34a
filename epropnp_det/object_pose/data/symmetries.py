"""Symmetries of `models_info.json` as a list of poses under which the model stays the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from epropnp_det.errors import UserError

from ..rigid_pose import RigidPose

# Largest way of a vertex between two members of a continuous symmetry, in diameters (BOP's).
STEP = 0.01
_METRES = 1e-3
# The rotations of an icosahedron are 60.
_LARGEST_GROUP = 120
# Cosine of the angle between two symmetries that are one: files are rounded.
_SAME_ROTATION = math.cos(math.radians(2))


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


def closed_symmetries(info: Mapping[str, Any], step: float = STEP) -> RigidPose:
    """`expand_symmetries`, after the discrete symmetries were completed to a group: files may list
    some of its members only, and a loss that takes the best member is invariant under all of them
    if they are all there.

    Raises:
        UserError: the discrete symmetries do not belong to a group of at most 120 rotations.
    """
    listed = dict(info)
    listed.pop("symmetries_continuous", None)
    members = expand_symmetries(listed)
    known = len(members.translation)
    while True:
        members = _distinct(members[:, None].compose(members[None]))
        if len(members.translation) == known:
            break
        known = len(members.translation)
        if known > _LARGEST_GROUP:
            raise UserError(
                f"the discrete symmetries of a model of diameter {info.get('diameter', 0):.4g} mm "
                "generate no finite group; correct symmetries_discrete of models_info.json"
            )
    matrices = np.tile(np.eye(4), (known, 1, 1))
    matrices[:, :3, :3] = members.rotation
    matrices[:, :3, 3] = members.translation / _METRES
    discrete = [each.ravel().tolist() for each in matrices[1:]]
    return expand_symmetries({**info, "symmetries_discrete": discrete}, step)


def _distinct(poses: RigidPose) -> RigidPose:
    """The different ones among poses (..., 3, 3), in the order of their first place."""
    rotation = poses.rotation.reshape(-1, 3, 3)
    translation = poses.translation.reshape(-1, 3)
    kept: list[int] = []
    for index, turn in enumerate(rotation):
        cosine = (np.einsum("ij,kij->k", turn, rotation[kept]) - 1) / 2
        if not (cosine > _SAME_ROTATION).any():
            kept.append(index)
    return RigidPose(rotation[kept], translation[kept])


def _turns(symmetry: Mapping[str, Any], step: float) -> RigidPose:
    """Steps of a whole turn about an axis through `offset`."""
    count = math.ceil(math.pi / step)
    axis = np.asarray(symmetry["axis"], dtype=np.float64)
    angles = 2 * np.pi / count * np.arange(count)
    rotation = Rotation.from_rotvec(angles[:, None] * axis / np.linalg.norm(axis)).as_matrix()
    offset = np.asarray(symmetry["offset"], dtype=np.float64) * _METRES
    return RigidPose(rotation, offset - rotation @ offset)
