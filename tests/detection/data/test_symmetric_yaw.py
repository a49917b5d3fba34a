"""Classes without a front face away from the camera; nothing that can be seen changes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from epropnp_det.detection.boxes import MMDET3D_BOXES, from_mmdet3d, mirror_boxes
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.data.pipelines import make_train_pipeline
from epropnp_det.detection.data.symmetric_yaw import (
    CanonicalizeSymmetricYaw,
    facing_away,
    observation_angle,
)
from epropnp_det.detection.structures.lidar import ImagePoints, LidarPoints, ObjectPoints
from epropnp_det.errors import UserError
from epropnp_det.pnp import YawPose
from tests.tolerances import BOX_CENTER

COUNT = 40


def boxes() -> MMDET3D_BOXES:
    """Random positions in front of the camera, random yaws."""
    low, high = torch.tensor(
        [[-20.0, 1, 2, 0.5, 1, 2, -math.pi, -3, -3], [20.0, 2, 50, 0.6, 2, 3, math.pi, 3, 3]]
    )
    return MMDET3D_BOXES(
        low + torch.rand(COUNT, 9, generator=torch.Generator().manual_seed(0)) * (high - low),
        box_dim=9,
    )


def angles(found: MMDET3D_BOXES) -> torch.Tensor:
    x, z, yaw = found.tensor[:, [0, 2, 6]].T
    return observation_angle(yaw, x, z)


def difference(a: torch.Tensor, b: torch.Tensor | float) -> torch.Tensor:
    return torch.remainder(a - b + math.pi, 2 * math.pi) - math.pi


def results() -> dict:
    """Barriers, cones and cars in turn, each with a LiDAR point in one corner."""
    label = np.array([CLASSES.index(name) for name in ("barrier", "traffic_cone", "car")])[
        np.arange(COUNT) % 3
    ]
    x3d = boxes().tensor[:, 3:6] / 2
    nothing = ImagePoints(torch.zeros(0, dtype=torch.long), torch.zeros(0, 2), torch.zeros(0))
    points = LidarPoints(ObjectPoints(torch.arange(COUNT), x3d, torch.zeros(COUNT, 2)), nothing)
    return dict(gt_bboxes_3d=boxes(), gt_labels_3d=label, lidar_points=points, class_names=CLASSES)


def corner_in_camera(found: dict) -> torch.Tensor:
    pose, *_ = from_mmdet3d(found["gt_bboxes_3d"])
    return (
        pose[:, :3]
        + (YawPose.rotation(pose) @ found["lidar_points"].objects.x3d[..., None])[..., 0]
    )


def test_mirroring_changes_the_sign_of_an_observation_angle():
    torch.testing.assert_close(
        difference(angles(mirror_boxes(boxes())), -angles(boxes())),
        torch.zeros(COUNT),
        rtol=0,
        atol=BOX_CENTER,
    )


@pytest.mark.parametrize("yaw", [-2.0, 0.3, 3.0])
def test_an_object_that_faces_away_is_seen_at_zero(yaw: float):
    # A ray of sight points along (cos yaw, -sin yaw) in x and z, as an object with that yaw does.
    x, z, yaw = torch.tensor([7 * math.cos(yaw), -7 * math.sin(yaw), yaw])
    assert difference(observation_angle(yaw, x, z), 0.0) == pytest.approx(0, abs=BOX_CENTER)
    assert difference(observation_angle(yaw + 0.4, x, z), 0.4) == pytest.approx(0, abs=BOX_CENTER)


def test_only_classes_without_a_front_turn_and_by_half_a_circle_alone():
    before = results()
    after = CanonicalizeSymmetricYaw()(before)
    turned = difference(after["gt_bboxes_3d"].tensor[:, 6], boxes().tensor[:, 6]).abs()
    assert ((turned == 0) | (turned > math.pi - BOX_CENTER)).all()
    symmetric = torch.arange(COUNT) % 3 < 2
    assert (turned[~symmetric] == 0).all() and 0 < (turned[symmetric] > 0).sum() < symmetric.sum()
    assert (angles(after["gt_bboxes_3d"])[symmetric].abs() <= math.pi / 2 + BOX_CENTER).all()
    columns = [0, 1, 2, 3, 4, 5, 7, 8]
    assert torch.equal(after["gt_bboxes_3d"].tensor[:, columns], boxes().tensor[:, columns])
    assert torch.equal(before["gt_bboxes_3d"].tensor, boxes().tensor)


def test_lidar_points_stay_where_they_are_in_the_world():
    before = results()
    after = CanonicalizeSymmetricYaw()(before)
    torch.testing.assert_close(
        corner_in_camera(after), corner_in_camera(before), rtol=0, atol=10 * BOX_CENTER
    )
    assert not torch.equal(after["lidar_points"].objects.x3d, before["lidar_points"].objects.x3d)


def test_turning_commutes_with_mirroring_and_is_done_once():
    once = CanonicalizeSymmetricYaw()(results())
    assert torch.equal(
        CanonicalizeSymmetricYaw()(once)["gt_bboxes_3d"].tensor, once["gt_bboxes_3d"].tensor
    )
    one = CanonicalizeSymmetricYaw()(dict(results(), gt_bboxes_3d=mirror_boxes(boxes())))[
        "gt_bboxes_3d"
    ]
    other = mirror_boxes(once["gt_bboxes_3d"])
    torch.testing.assert_close(
        difference(one.tensor[:, 6], other.tensor[:, 6]),
        torch.zeros(COUNT),
        rtol=0,
        atol=BOX_CENTER,
    )


def test_no_boxes_and_unknown_names():
    empty = dict(results(), gt_bboxes_3d=boxes()[:0], gt_labels_3d=np.zeros(0, dtype=np.int64))
    empty["lidar_points"] = replace(
        empty["lidar_points"], objects=empty["lidar_points"].objects[:0]
    )
    assert len(CanonicalizeSymmetricYaw()(empty)["gt_bboxes_3d"]) == 0
    with pytest.raises(UserError, match="the dataset has no class unicorn; set `classes` to names"):
        CanonicalizeSymmetricYaw(("unicorn",))(results())


def test_classes_are_those_of_the_dataset():
    """The same boxes under other class names: the second of two classes is the symmetric one."""
    label = np.arange(COUNT) % 2
    given = dict(results(), gt_labels_3d=label, class_names=("sedan", "bollard"))
    after = CanonicalizeSymmetricYaw(classes=("bollard",))(given)
    turned = after["gt_bboxes_3d"].tensor[:, 6] != boxes().tensor[:, 6]
    assert turned.any() and not turned[torch.from_numpy(label == 0)].any()


def test_the_yaw_of_a_box_that_faces_away_already_is_left_to_the_bit():
    yaw, x, z = torch.tensor([-1.7]), torch.tensor([0.0]), torch.tensor([10.0])
    assert facing_away(yaw, x, z).item() == yaw.item()


@pytest.mark.parametrize(
    "canonical_yaw, settings",
    [(False, []), (True, [{}]), (("gate",), [dict(classes=("gate",))])],
)
def test_a_pipeline_names_the_symmetric_classes(canonical_yaw, settings):
    steps = make_train_pipeline(("sedan", "gate"), canonical_yaw=canonical_yaw)
    found = [step for step in steps if step["type"] == "CanonicalizeSymmetricYaw"]
    assert found == [dict(each, type="CanonicalizeSymmetricYaw") for each in settings]
