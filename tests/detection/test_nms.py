"""Suppression in bird's-eye view: empty and single inputs, classes, and which way a box is
turned.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon

from epropnp_det.detection.data.projection import corners_of_yaw_box
from epropnp_det.detection.nms import bev_nms, footprints


def scene(count: int, seed: int = 0, spread: float = 12.0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(*shape, generator=generator)  # noqa: E731
    place = (draw(count, 3) - 0.5) * spread
    pose = torch.cat([place, (draw(count, 1) - 0.5) * 2 * math.pi], dim=1)
    size = torch.tensor([4.0, 1.6, 1.8]) * (0.8 + 0.4 * draw(count, 3))
    return pose, size, draw(count), (draw(count) * 3).long()


def polygon(pose: torch.Tensor, size: torch.Tensor) -> Polygon:
    """The footprint in the x-z plane from the eight corners of the box, by another way than the
    code under test.
    """
    corners = corners_of_yaw_box(np.concatenate([pose[:3], size, pose[3:]]).astype(np.float64))
    bottom = corners[corners[:, 1] > corners[:, 1].mean()]
    return Polygon(bottom[:, [0, 2]]).convex_hull


def reference_nms(pose, size, scores, labels, threshold: float) -> list[int]:
    shapes = [polygon(*box) for box in zip(pose, size)]
    kept: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        rivals = [shapes[other] for other in kept if labels[other] == labels[index]]
        if all(_iou(shapes[index], rival) <= threshold for rival in rivals):
            kept.append(index)
    return kept


def _iou(a: Polygon, b: Polygon) -> float:
    return a.intersection(b).area / a.union(b).area


def test_no_box_gives_no_index():
    kept = bev_nms(*scene(0), 0.25)
    assert kept.shape == (0,) and kept.dtype == torch.long


def test_a_single_box_is_kept():
    assert bev_nms(*scene(1), 0.25).tolist() == [0]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_polygons(seed: int):
    boxes = scene(40, seed)
    kept = bev_nms(*boxes, 0.25).tolist()
    assert kept == reference_nms(*boxes, 0.25)
    assert 3 < len(kept) < 40  # both outcomes occur


def test_classes_never_suppress_each_other():
    pose, size, _, _ = scene(1)
    pose, size = pose.expand(3, 4), size.expand(3, 3)
    assert sorted(
        bev_nms(pose, size, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([0, 1, 9]), 0.25).tolist()
    ) == [0, 1, 2]
    assert bev_nms(
        pose, size, torch.tensor([0.5, 0.9, 0.7]), torch.tensor([4, 4, 4]), 0.25
    ).tolist() == [1]


def test_far_from_the_origin_nothing_changes():
    pose, size, scores, labels = scene(30, seed=3)
    moved = pose + torch.tensor([1600.0, 0.0, -900.0, 0.0])
    assert (
        bev_nms(moved, size, scores, labels, 0.25).tolist()
        == bev_nms(pose, size, scores, labels, 0.25).tolist()
    )


def test_kept_boxes_come_best_first():
    pose, size, scores, labels = scene(25, seed=4)
    kept = scores[bev_nms(pose, size, scores, labels, 0.25)]
    assert all(first >= second for first, second in itertools.pairwise(kept.tolist()))


def test_footprint_turns_with_the_yaw():
    # Two long boxes end to end along their heading overlap only if both are turned the right way.
    yaw = 0.6
    heading = torch.tensor([math.cos(yaw), 0.0, -math.sin(yaw)])
    pose = torch.stack(
        [torch.tensor([0.0, 0.0, 0.0, yaw]), torch.cat([2.0 * heading, torch.tensor([yaw])])]
    )
    size = torch.tensor([[6.0, 1.5, 0.5]]).expand(2, 3)
    assert (
        len(bev_nms(pose, size, torch.tensor([0.9, 0.8]), torch.zeros(2, dtype=torch.long), 0.25))
        == 1
    )
    assert footprints(pose, size).shape == (2, 5)


def test_arguments_stay_as_they_are():
    boxes = scene(10)
    copies = [value.clone() for value in boxes]
    bev_nms(*boxes, 0.25)
    assert all(torch.equal(value, copy) for value, copy in zip(boxes, copies))
