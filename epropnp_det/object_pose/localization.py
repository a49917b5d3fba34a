"""How well a pose is known: the share of the posterior near it, and poses of the same object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from epropnp_det.pnp import SE3Pose

from .data.object_models import ObjectModel
from .structures import ObjectPoses

# A sample this near to the pose, in diameters, counts for it: the usual bound of ADD.
NEAR = 0.1
# Two poses of an object whose centres are this near, in diameters, are of one object.
SAME = 0.3


def localization_scores(
    poses: ObjectPoses, models: Sequence[ObjectModel], near: float = NEAR
) -> np.ndarray:
    """Probability (B,) that each object is where its pose puts it, by the posterior: no corner of
    its box is farther away than `near` diameters, over the best symmetry. Zero for objects without
    a pose.

    Args:
        poses: (B,) with samples.
        models: (B,).

    Raises:
        ValueError: the poses have no samples.
    """
    if poses.sample_pose is None or poses.sample_weight is None:
        raise ValueError("localization_scores needs samples; give mc_samples")
    scores = []
    for index, model in enumerate(models):
        if not poses.valid[index]:
            scores.append(0.0)
            continue
        moved = farthest_corner(poses.sample_pose[index], poses.pose[index], model)
        share = poses.sample_weight[index][moved < near * model.diameter].sum()
        scores.append(float(share.nan_to_num().clamp(0, 1)))
    return np.array(scores)


def farthest_corner(poses: Tensor, target: Tensor, model: ObjectModel) -> Tensor:
    """Largest distance (N,) [m] of a corner of the model's box between poses (N, 7) and the target
    (7,), the least over the symmetries of the model.
    """
    corners = poses.new_tensor(model.box_corners)
    members = poses.new_tensor(model.symmetry_group.to_vector())
    turned = SE3Pose.transform(members, corners)  # (S, 8, 3)
    place = SE3Pose.transform(target, corners)
    there = SE3Pose.transform(poses[:, None], turned)  # (N, S, 8, 3)
    return (there - place).norm(dim=-1).amax(-1).amin(-1)


class ScoredObject(Protocol):
    """A detection, or a result: BOP's number of an object, and a score."""

    @property
    def object_id(self) -> int: ...

    @property
    def score(self) -> float: ...


def distinct_poses(
    detections: Sequence[ScoredObject],
    poses: ObjectPoses,
    models: Mapping[int, ObjectModel],
    same: float = SAME,
) -> list[int]:
    """Non-maximum suppression by pose: places of the detections to keep, best score first. Of two
    poses of the same object whose centres are nearer than `same` diameters the better one stays:
    two such objects would overlap.
    """
    order = sorted(range(len(detections)), key=lambda index: -detections[index].score)
    kept: list[int] = []
    for index in order:
        model = models[detections[index].object_id]
        middle = poses.pose.new_tensor(model.box_min + model.box_size / 2)[None]
        rivals = [
            each for each in kept if detections[each].object_id == detections[index].object_id
        ]
        place = SE3Pose.transform(poses.pose[[index, *rivals]], middle)[:, 0]
        if bool(((place[1:] - place[0]).norm(dim=-1) >= same * model.diameter).all()):
            kept.append(index)
    return kept
