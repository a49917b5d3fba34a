"""One list per sample out of six: what overlaps on the ground, seen from above in the global
frame.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from nuscenes.utils.data_classes import Box
from pyquaternion import Quaternion
from shapely.geometry import Polygon

from epropnp_det.detection.boxes import Boxes3D, in_camera_frame
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.data.frames import RigidTransform
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.evaluation.camera_fusion import (
    FusionSettings,
    GlobalBoxes3D,
    fuse,
    to_global_frame,
)
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.detection.reports.pictures import box_corners
from tests.tolerances import EXACT

ORIGIN = np.array([612.0, 1650.0, 0.0])


def rotations(yaws: np.ndarray) -> np.ndarray:
    return np.stack([Quaternion(axis=(0, 0, 1), angle=yaw).rotation_matrix for yaw in yaws])


def make_boxes(
    places: np.ndarray, yaws: np.ndarray, wlh: np.ndarray, scores: np.ndarray, label: int = 0
) -> GlobalBoxes3D:
    count = len(places)
    center = ORIGIN + np.concatenate([places, np.zeros((count, 1))], axis=1)
    labels = np.full(count, label)
    return GlobalBoxes3D(
        center,
        np.broadcast_to(wlh, (count, 3)),
        rotations(yaws),
        np.zeros((count, 2)),
        scores,
        labels,
        np.zeros(count, int),
        np.full((count, 3, 3), np.nan),
    )


def footprint(boxes: GlobalBoxes3D, index: int) -> Polygon:
    box = Box(
        boxes.center[index], boxes.wlh[index], Quaternion(matrix=boxes.rotation[index], atol=1e-6)
    )
    return Polygon(box.bottom_corners()[:2].T)


def reference(boxes: GlobalBoxes3D, threshold: float) -> list[float]:
    """Scores kept by greedy suppression on the devkit's own ground polygons."""
    shapes, kept = [footprint(boxes, index) for index in range(len(boxes))], []
    for index in np.argsort(-boxes.score):
        overlaps = [
            shapes[index].intersection(shapes[k]).area / shapes[index].union(shapes[k]).area
            for k in kept
        ]
        if all(overlap <= threshold for overlap in overlaps):
            kept.append(index)
    return boxes.score[kept].tolist()


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_the_devkits_footprints(seed: int):
    rng = np.random.default_rng(seed)
    boxes = make_boxes(
        rng.uniform(-8, 8, (40, 2)),
        rng.uniform(-math.pi, math.pi, 40),
        np.array([1.8, 4.6, 1.5]),
        rng.permutation(40) / 40,
    )
    kept = fuse(boxes, ORIGIN, NUSCENES.ranges(), FusionSettings(nms_threshold=0.25))
    assert kept.score.tolist() == reference(boxes, 0.25)
    assert 5 < len(kept) < 40


def test_cars_parked_side_by_side_both_stay():
    yaw, place = 0.7, np.array([5.0, 5.0])
    side = 2.0 * np.array([-math.sin(yaw), math.cos(yaw)])
    boxes = make_boxes(
        np.stack([place, place + side]),
        np.full(2, yaw),
        np.array([1.8, 4.6, 1.5]),
        np.array([0.5, 0.9]),
    )
    assert len(fuse(boxes, ORIGIN, NUSCENES.ranges(), FusionSettings())) == 2


def test_class_ranges_count_in_the_plane_from_the_origin():
    wlh, score = np.array([0.4, 0.4, 1.0]), np.ones(1)
    for label, reach in ((CLASSES.index("barrier"), 30.0), (CLASSES.index("car"), 50.0)):
        for distance, count in ((reach - 0.01, 1), (reach + 0.01, 0)):
            place = distance * np.array([[math.cos(2.0), math.sin(2.0)]])
            boxes = make_boxes(place, np.zeros(1), wlh, score, label)
            assert (
                len(
                    fuse(
                        boxes, ORIGIN + np.array([0, 0, 70.0]), NUSCENES.ranges(), FusionSettings()
                    )
                )
                == count
            )


def test_boxes_of_a_tilted_camera_are_upright_in_the_global_frame():
    """A tilted camera on a level vehicle sees the same boxes as a level camera at its place."""
    level_camera = Quaternion([0.5, -0.5, 0.5, -0.5])  # forward along x of the vehicle, z up
    tilt = rotation_of_tilt(-8.0, 3.0)
    generator = torch.Generator().manual_seed(0)
    boxes = Boxes3D(
        pose=torch.randn(5, 4, generator=generator, dtype=torch.float64) + 10,
        size=torch.ones(5, 3, dtype=torch.float64),
        label=torch.zeros(5, dtype=torch.long),
        velocity=torch.randn(5, 2, generator=generator, dtype=torch.float64),
        attribute=torch.zeros(5, dtype=torch.long),
        score=torch.ones(5, dtype=torch.float64),
    )
    image = dict(
        cam2ego_rotation=list(level_camera),
        cam2ego_translation=[1.7, 0.0, 1.5],
        ego2global_rotation=list(Quaternion(axis=(0, 0, 1), degrees=30)),
        ego2global_translation=ORIGIN.tolist(),
    )
    tilted_camera = level_camera * Quaternion(matrix=tilt.numpy())
    tilted_image = image | dict(cam2ego_rotation=list(tilted_camera))
    tilted = in_camera_frame(boxes, dict(level_rotation=tilt))
    expected = to_global_frame(boxes, image)
    found = to_global_frame(tilted, tilted_image)
    for name in ("center", "rotation", "velocity"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=EXACT)


def test_no_box():
    empty = make_boxes(np.zeros((1, 2)), np.zeros(1), np.ones(3), np.ones(1))[np.zeros(0, int)]
    assert len(fuse(empty, ORIGIN, NUSCENES.ranges(), FusionSettings())) == 0


@pytest.mark.parametrize("pitch", [0.0, 10.0])
def test_corners_are_those_of_the_camera_frame(pitch: float) -> None:
    level = rotation_of_tilt(pitch, 0.0)
    pose = torch.tensor([[3.0, 1.0, 20.0, 0.4], [-5.0, 0.5, 12.0, -2.0]], dtype=torch.float64)
    size = torch.tensor([[4.5, 1.6, 1.9], [0.7, 1.8, 0.8]], dtype=torch.float64)
    boxes = Boxes3D(
        pose,
        size,
        torch.zeros(2, dtype=torch.long),
        velocity=torch.zeros(2, 2),
        attribute=torch.zeros(2, dtype=torch.long),
        score=torch.ones(2),
    )
    boxes = in_camera_frame(boxes, dict(level_rotation=level))
    image = dict(
        cam2ego_rotation=Quaternion(axis=(1, 2, -1), angle=1.9).elements.tolist(),
        cam2ego_translation=[1.7, 0.1, 1.5],
        ego2global_rotation=Quaternion(axis=(0, 0, 1), angle=0.8).elements.tolist(),
        ego2global_translation=ORIGIN.tolist(),
    )
    expected = RigidTransform.camera_to_global(image)(box_corners(boxes))
    np.testing.assert_allclose(to_global_frame(boxes, image).corners(), expected, atol=1000 * EXACT)
