"""The localisation score and the suppression of poses of the same object."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from epropnp_det.object_pose.data.detection_file import Detection
from epropnp_det.object_pose.data.object_models import ObjectModel
from epropnp_det.object_pose.localization import (
    distinct_poses,
    farthest_corner,
    localization_scores,
)
from epropnp_det.object_pose.structures import ObjectPoses, compose
from epropnp_det.pnp import SE3Pose
from tests.tolerances import EXACT

from .conftest import model_of

# A quarter turn about z through the point (0.01, 0, 0) m, in mm as files have it.
QUARTER = [0, -1, 0, 10, 1, 0, 0, -10, 0, 0, 1, 0, 0, 0, 0, 1]
SAMPLES = 40


def box_model(object_id: int = 1, **info: object) -> ObjectModel:
    mesh = trimesh.creation.box((0.06, 0.06, 0.1))
    mesh.apply_translation((0.01, 0, 0))
    return model_of(mesh, object_id, **info)


def pose_at(*place: float) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    turned = SE3Pose.random_rotation((), torch.zeros((), dtype=torch.float64), generator)
    return torch.cat((torch.tensor(place, dtype=torch.float64), turned[3:]))


def poses_of(pose: Tensor, samples: Tensor, weight: Tensor, valid: bool = True) -> ObjectPoses:
    covariance = torch.eye(6, dtype=pose.dtype)[None]
    flags = torch.tensor([valid])
    return ObjectPoses(pose[None], covariance, torch.zeros(1), flags, samples[None], weight[None])


def even(number: int = SAMPLES) -> Tensor:
    return torch.full((number,), 1 / number, dtype=torch.float64)


def test_score_is_the_share_of_the_posterior_near_the_pose() -> None:
    model = box_model()
    pose = pose_at(0.1, 0.0, 1.0)
    samples = pose.repeat(SAMPLES, 1)
    samples[: SAMPLES // 4, 2] += 0.2 * model.diameter
    samples[SAMPLES // 4 : SAMPLES // 2, 2] += 0.05 * model.diameter
    poses = poses_of(pose, samples, even())
    assert localization_scores(poses, [model])[0] == pytest.approx(0.75)
    broken = poses_of(pose, samples, even(), valid=False)
    assert localization_scores(broken, [model])[0] == 0
    lost = poses_of(pose, samples, even() * torch.nan)
    assert localization_scores(lost, [model])[0] == 0


def test_symmetric_poses_are_the_same_pose() -> None:
    """The pool is completed: of four turns one is listed."""
    plain = box_model(diameter=100.0)
    symmetric = box_model(diameter=100.0, symmetries_discrete=[QUARTER])
    pose = pose_at(0.1, 0.0, 1.0)
    matrix = torch.tensor(QUARTER, dtype=torch.float64).view(4, 4)
    half = 0.5**0.5
    turn = torch.tensor((0.01, -0.01, 0.0, half, 0.0, 0.0, half), dtype=torch.float64)
    torch.testing.assert_close(SE3Pose.rotation(turn), matrix[:3, :3], rtol=EXACT, atol=EXACT)
    samples = [pose]
    for _ in range(3):
        samples.append(compose(samples[-1], turn))
    moved = farthest_corner(torch.stack(samples), pose, symmetric)
    assert moved.max() < 1e-6
    assert farthest_corner(torch.stack(samples), pose, plain)[1:].min() > 0.05


def models() -> Mapping[int, ObjectModel]:
    return {1: box_model(1), 2: box_model(2)}


def found_at(depths: list[float]) -> ObjectPoses:
    """Poses one behind the other."""
    pose = torch.stack([pose_at(0.0, 0.0, depth) for depth in depths])
    number = len(depths)
    covariance = torch.eye(6, dtype=pose.dtype).expand(number, 6, 6)
    return ObjectPoses(pose, covariance, torch.zeros(number), torch.ones(number, dtype=torch.bool))


def detections(*pairs: tuple[int, float]) -> list[Detection]:
    return [Detection(0, 0, key, np.array([0.0, 0, 9, 9]), score) for key, score in pairs]


def test_of_two_poses_of_an_object_the_better_one_stays() -> None:
    given = detections((1, 0.4), (1, 0.9), (2, 0.5), (1, 0.3))
    poses = found_at([1.0, 1.01, 1.0, 1.2])
    assert distinct_poses(given, poses, models()) == [1, 2, 3]
    assert distinct_poses([], found_at([1.0])[:0], models()) == []
