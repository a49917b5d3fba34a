"""Tracks of a scene from the boxes of its images: perfect boxes, and files that lack what it
needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data.class_set import NUSCENES, ClassSet
from epropnp_det.detection.evaluation.camera_fusion import to_global_frame
from epropnp_det.detection.evaluation.scene_tracks import (
    Scene,
    TrackedBoxes,
    _seen_from,
    box_records,
    read_scene,
    scene_identity,
    track_scene,
)
from epropnp_det.detection.tracking import GroundDetections
from epropnp_det.errors import UserError
from tests.nuscenes_factory import KEYFRAME_SECONDS

LOG = "CAM_"


@pytest.fixture
def file(database: Path) -> Path:
    return database / "nuscenes_mini_infos_val_mono3d.coco.json"


@pytest.fixture
def found(make_dataset: Callable, perfect_results: Callable) -> dict[str, Boxes3D]:
    """The true boxes of each image that a model could find."""
    dataset = make_dataset("val")
    boxes = perfect_results(dataset)
    return {info["file_name"]: one for info, one in zip(dataset.data_infos, boxes)}


def test_a_film_is_as_long_as_its_scene(file: Path) -> None:
    scene = read_scene(file, file.parent, LOG)
    whole = scene.samples[-1].time - scene.samples[0].time
    assert scene.interval * (len(scene.samples) - 1) == pytest.approx(whole)
    one = replace(scene, samples=scene.samples[:1])
    assert one.interval == KEYFRAME_SECONDS


def tracked(
    scene: Scene,
    found: dict[str, Boxes3D],
    class_set: ClassSet = NUSCENES,
    as_film: bool = False,
) -> list[TrackedBoxes]:
    boxes = [[found[image["file_name"]] for image in sample.images] for sample in scene.samples]
    return track_scene(scene, boxes, class_set, threshold=0.5, as_film=as_film)


def test_a_camera_is_tracked_without_its_ego_poses(file: Path, found: dict[str, Boxes3D]) -> None:
    """What the tracker gets is what a film of the camera gives it."""
    scene = read_scene(file, file.parent, "__CAM_FRONT__")
    scores = scene_identity(scene, tracked(scene, found, as_film=True), NUSCENES)
    assert scores is not None and (scores.idf1, scores.f1) == (1, 1)
    for sample in scene.samples:
        (image,) = sample.images
        boxes = found[image["file_name"]]
        levelled = _seen_from(image, GroundDetections.of_global(to_global_frame(boxes, image)))
        film = GroundDetections.of_camera(boxes)
        # The cameras of nuScenes lean by less than a degree: centimetres at tens of metres.
        np.testing.assert_allclose(levelled.position, film.position, atol=0.5)
    with pytest.raises(UserError, match="a film has one camera; name it in --log"):
        tracked(read_scene(file, file.parent, LOG), found, as_film=True)


def test_perfect_boxes_have_perfect_tracks(file: Path, found: dict[str, Boxes3D]) -> None:
    scene = read_scene(file, file.parent, LOG)
    scores = scene_identity(scene, tracked(scene, found), NUSCENES)
    assert scores is not None and (scores.idf1, scores.f1) == (1, 1)


def test_samples_are_in_the_order_of_time(file: Path) -> None:
    scene = read_scene(file, file.parent, LOG)
    first, second = scene.samples
    assert len(first.images) == len(second.images) == 6
    assert abs(second.time - first.time - KEYFRAME_SECONDS) < 1e-3


def test_boxes_of_low_score_are_left_out(file: Path, found: dict[str, Boxes3D]) -> None:
    scene = read_scene(file, file.parent, LOG)
    weak = {name: replace(one, score=0.4 * one.require("score")) for name, one in found.items()}
    none = tracked(scene, weak)
    assert [len(one.boxes) for one in none] == [0, 0]
    assert [each["boxes"] for each in box_records(scene, none, NUSCENES)] == [[], []]


def test_other_categories_do_not_count(file: Path, found: dict[str, Boxes3D]) -> None:
    """With a class less, its true objects are not missed."""
    scene = read_scene(file, file.parent, LOG)
    names = NUSCENES.class_names[:-1]
    ranges = {name: NUSCENES.detection_range[name] for name in names}
    some = ClassSet(names, detection_range=ranges)
    kept = {name: one[one.label < len(names)] for name, one in found.items()}
    scores = scene_identity(scene, tracked(scene, kept, some), some)
    assert scores is not None and scores.idf1 == 1


def test_without_true_tracks_there_is_no_score(
    file: Path, found: dict[str, Boxes3D], tmp_path: Path
) -> None:
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        del annotation["instance_token"]
    other = tmp_path / "annotations.json"
    other.write_text(json.dumps(content))
    scene = read_scene(other, file.parent, LOG)
    assert scene_identity(scene, tracked(scene, found), NUSCENES) is None


def test_records_are_the_numbers_of_the_boxes(file: Path, found: dict[str, Boxes3D]) -> None:
    scene = read_scene(file, file.parent, LOG)
    boxes = tracked(scene, found)
    for sample, one, record in zip(scene.samples, boxes, box_records(scene, boxes, NUSCENES)):
        assert record["token"] == sample.images[0]["token"] and record["time"] == sample.time
        assert [row["track"] for row in record["boxes"]] == one.identity.tolist()
        center = np.array([row["center"] for row in record["boxes"]])
        np.testing.assert_array_equal(center, one.boxes.center)


def test_images_of_no_scene_are_named(file: Path) -> None:
    with pytest.raises(UserError, match="no image's file name contains 'scene-9999'"):
        read_scene(file, file.parent, "scene-9999")
