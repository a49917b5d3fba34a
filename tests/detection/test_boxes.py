"""Boxes: corners, projections, mmdet3d's bottom centre."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from epropnp_det.detection.boxes import (
    MMDET3D_BOXES,
    Boxes3D,
    corners,
    from_mmdet3d,
    from_mmdet3d_result,
    mirror_boxes,
    projected_boxes,
    replace_yaw,
    to_mmdet3d,
    without_unknown_velocity,
)
from epropnp_det.pnp import YawPose
from tests.tolerances import EXACT

from .small import CAMERA, scene


def test_round_trip_through_mmdet3d():
    truth = scene(5)
    for ours, back in zip(
        (truth.pose, truth.size, truth.velocity),
        from_mmdet3d(to_mmdet3d(truth.pose, truth.size, truth.velocity)),
    ):
        torch.testing.assert_close(back, ours)


def test_mmdet3d_stores_the_bottom():
    boxes = to_mmdet3d(
        torch.tensor([[1.0, 2.0, 3.0, 0.0]]), torch.tensor([[4.0, 1.5, 2.0]]), torch.zeros(1, 2)
    )
    torch.testing.assert_close(boxes.tensor[0, :3], torch.tensor([1.0, 2.75, 3.0]))  # y points down


def test_corners_are_mmdet3ds():
    truth = scene(5)
    theirs = to_mmdet3d(truth.pose, truth.size, truth.velocity).corners
    ours = corners(truth.pose, truth.size)
    distance = (ours[:, :, None] - theirs[:, None]).norm(dim=-1)
    torch.testing.assert_close(
        distance.amin(1), torch.zeros(5, 8), atol=1e-5, rtol=0
    )  # the same set, float32 metres


def test_corners_turn_as_the_layer_does():
    truth = scene(5)
    unit = corners(torch.zeros(5, 4), truth.size)
    torch.testing.assert_close(corners(truth.pose, truth.size), YawPose.transform(truth.pose, unit))


def test_projected_boxes_stay_in_the_image_and_hold_the_centre():
    truth = scene(5)
    image_size = torch.tensor([[224.0, 128.0]]).expand(5, 2)
    boxes = projected_boxes(truth.pose, truth.size, CAMERA[None].expand(5), image_size)
    centre = CAMERA.project(truth.pose[:, :3])
    assert ((boxes[:, :2] <= centre) & (centre <= boxes[:, 2:])).all()
    assert (boxes >= 0).all() and (boxes <= image_size.repeat(1, 2)).all()


def test_the_last_four_corners_are_the_front():
    pose = torch.tensor([0.0, 0.0, 10.0, math.pi / 2], dtype=torch.float64)
    front = corners(pose, torch.tensor([4.0, 1.0, 2.0], dtype=torch.float64))[4:].mean(0)
    torch.testing.assert_close(front, front.new_tensor([0.0, 0.0, 8.0]), rtol=0, atol=EXACT)


def test_corners_take_any_leading_dimensions():
    truth = scene(6)
    stacked = corners(truth.pose.unflatten(0, (2, 3)), truth.size.unflatten(0, (2, 3)))
    assert torch.equal(stacked.flatten(0, 1), corners(truth.pose, truth.size))


def test_a_new_yaw_changes_nothing_else():
    truth = scene(5)
    boxes = to_mmdet3d(truth.pose, truth.size, truth.velocity)
    turned = replace_yaw(boxes, torch.arange(5.0))
    assert torch.equal(turned.tensor[:, 6], torch.arange(5.0))
    others = [0, 1, 2, 3, 4, 5, 7, 8]
    assert torch.equal(
        turned.tensor[:, others].nan_to_num(-1), boxes.tensor[:, others].nan_to_num(-1)
    )


def test_only_unknown_velocities_become_zero():
    truth = scene(5)
    velocity = torch.ones(5, 2)
    velocity[2] = math.nan
    boxes = to_mmdet3d(truth.pose, truth.size, velocity)
    known = without_unknown_velocity(boxes).tensor
    assert torch.equal(known[:, :7], boxes.tensor[:, :7])
    assert known[:, 7:].tolist() == [[1, 1], [1, 1], [0, 0], [1, 1], [1, 1]]


def test_mirroring_mirrors_the_corners():
    truth = scene(5)
    pose, size, _ = from_mmdet3d(mirror_boxes(to_mmdet3d(truth.pose, truth.size, truth.velocity)))
    expected = corners(truth.pose, truth.size) * torch.tensor([-1.0, 1.0, 1.0])
    distance = torch.cdist(corners(pose, size), expected).amin(1)
    torch.testing.assert_close(distance, torch.zeros(5, 8), atol=1e-4, rtol=0)  # float32 metres


def test_results_of_mmdet3d_become_boxes():
    truth = scene(5)
    result = dict(
        boxes_3d=MMDET3D_BOXES(
            to_mmdet3d(truth.pose, truth.size, truth.velocity).tensor, box_dim=9
        ),
        labels_3d=truth.label,
        scores_3d=torch.linspace(1, 0, 5),
        attrs_3d=truth.attribute,
    )
    found = from_mmdet3d_result(result)
    expected = Boxes3D(
        truth.pose, truth.size, truth.label, truth.velocity, truth.attribute, result["scores_3d"]
    )
    for name in ("pose", "size", "velocity", "score", "label", "attribute"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), equal_nan=True)
    assert len(found) == 5 and found.covariance is None
    assert len(found[found.score > 0.4]) == 3
    assert len(Boxes3D.cat([found, replace(found, label=found.label + 1)])) == 10


def test_a_missing_value_is_named() -> None:
    box = Boxes3D(torch.zeros(1, 4), torch.ones(1, 3), torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="boxes without 'score'"):
        box.require("score")
