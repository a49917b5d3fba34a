"""Boxes: corners, projections, mmdet3d's bottom centre."""

from __future__ import annotations

import torch

from epropnp_det.detection.boxes import corners, from_mmdet3d, projected_boxes, to_mmdet3d
from epropnp_det.pnp import YawPose

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
