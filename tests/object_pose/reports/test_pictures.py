"""Pictures of poses: outlines lie on the masks of the data set, titles have the spread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det.object_pose.data import bop_dataset
from epropnp_det.object_pose.data.crops import CropSettings, crop_window
from epropnp_det.object_pose.data.detection_file import Detection
from epropnp_det.object_pose.data.object_models import load_models
from epropnp_det.object_pose.data.ray_scenes import RayScenes
from epropnp_det.object_pose.inference import PoseEvidence
from epropnp_det.object_pose.reports.pictures import (
    Samples,
    View,
    draw_object,
    draw_poses,
    spread,
)
from epropnp_det.object_pose.structures import ObjectModes, ObjectPoses, PatchGeometry
from tests.object_pose import bop_factory
from tests.tolerances import EXACT

CELLS = 8
SAMPLES = 32


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bop_factory.write_dataset(tmp_path_factory.mktemp("bop"))


@pytest.fixture(scope="module")
def scenes(root: Path) -> RayScenes:
    return RayScenes(load_models(root / "models"))


def evidence_of(image: bop_dataset.BopImage) -> PoseEvidence:
    """True poses of all instances, samples at the poses, and empty maps."""
    pose = torch.tensor(np.array([each.pose.to_vector() for each in image.instances]))
    number = len(pose)
    covariance = torch.eye(6).expand(number, 6, 6)
    valid = torch.ones(number, dtype=torch.bool)
    samples = pose[:, None].expand(-1, SAMPLES, -1)
    weight = torch.full((number, SAMPLES), 1 / SAMPLES)
    poses = ObjectPoses(pose, covariance, torch.zeros(number), valid, samples, weight)
    modes = ObjectModes(
        pose[:, None], covariance[:, None], torch.ones(number, 1), torch.ones_like(valid)[:, None]
    )
    windows = [crop_window(each.box, CropSettings()) for each in image.instances]
    geometry = PatchGeometry(
        torch.tensor(np.array([each.origin for each in windows])),
        torch.tensor([each.side for each in windows]),
        torch.tensor(image.camera_matrix).expand(number, 3, 3),
        torch.ones(number, 3),
        torch.zeros(number),
    )
    maps = torch.zeros(number, 3, CELLS, CELLS)
    return PoseEvidence(poses, geometry, maps, torch.ones(number, 2, CELLS, CELLS), modes)


def view_of(image: bop_dataset.BopImage) -> View:
    pixels = bop_dataset.read_image(image)[..., ::-1]
    return View(np.ascontiguousarray(pixels), image.camera_matrix)


@pytest.mark.parametrize("width", [None, 640])
def test_the_outline_of_a_true_pose_lies_on_its_mask(
    root: Path, scenes: RayScenes, width: int | None
):
    image = bop_dataset.read_split(root, "test")[0]
    view = view_of(image) if width is None else view_of(image).resized(width)
    instance = image.instances[0]
    poses = evidence_of(image).poses[0]
    drawn = draw_object(view, scenes, instance.object_id, poses, 0).image
    size = (view.image.shape[1], view.image.shape[0])
    mask = bop_dataset.read_mask(image, instance.index).astype(np.uint8)
    mask = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    border = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    changed = (drawn != view.image).any(axis=-1)
    # Lines are two to four pixels wide, and the mask of the data set is rounded to whole pixels.
    scale = size[0] // bop_factory.SIZE[0]
    reach = cv2.dilate(changed.astype(np.uint8), np.ones((2 * scale + 1,) * 2, np.uint8))
    assert reach[border > 0].mean() > 0.99


def test_an_object_without_a_pose_changes_nothing(root: Path, scenes: RayScenes):
    image = bop_dataset.read_split(root, "test")[0]
    view = view_of(image)
    poses = replace(evidence_of(image).poses, valid=torch.zeros(2, dtype=torch.bool))
    assert draw_object(view, scenes, 1, poses[0], 0) is view


def test_views_keep_pixels_and_camera_together(root: Path):
    """A point of the world is at the same place of the picture, whatever the view."""
    image = bop_dataset.read_split(root, "test")[0]
    view = view_of(image)
    point = np.array([0.03, -0.02, 0.6])

    def pixel(matrix: np.ndarray) -> np.ndarray:
        return (matrix @ point)[:2] / point[2]

    larger = view.resized(480)
    assert np.abs(pixel(larger.matrix) - 3 * pixel(view.matrix)).max() < EXACT
    window = crop_window(np.array([60.0, 40.0, 30.0, 20.0]), CropSettings())
    patch = view.cropped(window, 90)
    expected = (pixel(view.matrix) - window.origin) * 90 / window.side
    assert np.abs(pixel(patch.matrix) - expected).max() < EXACT
    assert patch.image.shape == (90, 90, 3)


def test_one_row_for_each_object_also_without_pose_or_samples(root: Path, scenes: RayScenes):
    image = bop_dataset.read_split(root, "test")[0]
    detections = [
        Detection(image.scene_id, image.image_id, each.object_id, each.box, 1.0)
        for each in image.instances
    ]
    evidence = evidence_of(image)
    full = draw_poses(view_of(image), scenes, detections, evidence)
    broken = replace(evidence.poses, valid=torch.tensor((False, True)))
    without = replace(broken, sample_pose=None, sample_weight=None)
    for poses in (broken, without):
        drawn = draw_poses(view_of(image), scenes, detections, replace(evidence, poses=poses))
        assert drawn.shape == full.shape
    nan = replace(evidence.poses, sample_weight=torch.full((2, SAMPLES), torch.nan))
    drawn = draw_poses(view_of(image), scenes, detections, replace(evidence, poses=nan))
    assert drawn.shape == full.shape


def test_spread_of_samples_at_known_distances():
    """Of four samples, the nearest three hold 68 % of the weight."""
    angle = np.radians((0.0, 1.0, 2.0, 30.0))
    samples = np.zeros((4, 7))
    samples[:, 2] = 1 + np.array((0.0, 0.001, -0.002, 0.5))
    samples[:, 3] = np.cos(angle / 2)
    samples[:, 4] = np.sin(angle / 2)
    samples[1, 3:] *= -1  # the same rotation
    best = np.array((0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    position, turn = spread(best, Samples(samples, np.full(4, 0.25)))
    assert abs(position - 0.002) < EXACT and abs(turn - 2) < 1e-6
