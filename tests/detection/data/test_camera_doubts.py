"""Doubtful cameras of an annotation file give a warning for each kind of doubt."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from epropnp_det.detection.data.annotation_file import read_annotations
from epropnp_det.detection.data.camera_doubts import warn_of_cameras
from epropnp_det.errors import CameraWarning

CAMERAS = ("FRONT", "LEFT", "RIGHT")


def record(sample: int, camera: str, focal: float = 1260.0, x: float = 800.0) -> dict[str, Any]:
    return dict(
        file_name=f"samples/{camera}/{sample}.jpg",
        token=f"token_{sample}",
        width=1600,
        height=900,
        cam_intrinsic=[[focal, 0.0, x], [0.0, focal, 450.0], [0.0, 0.0, 1.0]],
    )


def lines(images: list[dict[str, Any]], whole_samples: bool = True) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_of_cameras(images, "infos.json", whole_samples=whole_samples)
    assert all(warning.category is CameraWarning for warning in seen)
    return [str(warning.message) for warning in seen]


WHOLE = [record(sample, camera) for sample in range(4) for camera in CAMERAS]


def test_cameras_of_their_images_are_not_doubtful():
    assert lines(WHOLE) == []


def test_one_line_for_each_kind_with_the_first_image_and_the_number():
    images = [record(sample, "FRONT", focal=300.0) for sample in range(3)]
    images += [record(sample, "LEFT", focal=301.0, x=1500.0) for sample in range(2)]
    focal, center = lines(images, whole_samples=False)
    assert focal.startswith("infos.json: samples/FRONT/0.jpg: focal length 300 px is unusual")
    assert focal.endswith("(and 4 more)")
    assert center.startswith("infos.json: samples/LEFT/0.jpg: principal point (1500, 450) is far")
    assert center.endswith("(and 1 more)")


def test_a_sample_without_a_camera():
    images = [image for image in WHOLE if image["file_name"] != "samples/LEFT/2.jpg"]
    assert lines(images) == [
        "infos.json: sample token_2 has 2 of 3 cameras, without LEFT; add the images, or its "
        "detections come from the others alone"
    ]
    assert lines(images, whole_samples=False) == []


def test_images_without_folders_are_counted():
    images = [dict(image, file_name=Path(image["file_name"]).name) for image in WHOLE[:-1]]
    (line,) = lines(images)
    assert "sample token_3 has 2 of 3 cameras; add" in line


def test_samples_of_one_image_lack_nothing():
    assert lines([record(sample, "FRONT") for sample in range(4)]) == []


def test_the_database_is_not_doubtful(database: Path):
    for split in ("train", "val"):
        path = database / f"nuscenes_mini_infos_{split}_mono3d.coco.json"
        assert lines(read_annotations(path)["images"]) == []


def test_a_doubt_can_be_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error", CameraWarning)
        with pytest.raises(CameraWarning, match="focal length 300 px"):
            warn_of_cameras([record(0, "FRONT", focal=300.0)], "infos.json", whole_samples=True)
