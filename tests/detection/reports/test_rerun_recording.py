"""Recordings for Rerun: its own reader finds the cameras, boxes and covariances in them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from epropnp_det.detection.boxes import in_camera_frame
from epropnp_det.detection.data.class_set import ClassSet
from epropnp_det.detection.detections import Detections
from epropnp_det.detection.film_tracks import TrackedFrame
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.detection.reports.rerun_recording import (
    check_recording,
    ellipsoids,
    recorded,
    rerun_recording,
)
from epropnp_det.engine.film_frames import FilmFrame
from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.errors import UserError
from tests.tolerances import EXACT, EXACT_FLOAT32

CAMERA = Intrinsics(np.array([[50.0, 0.0, 33.0], [0.0, 51.0, 23.0], [0.0, 0.0, 1.0]]))
CLASSES = ClassSet(("bicycle", "tram"))
REQUIRE = "EPROPNP_RERUN"


@pytest.fixture
def rerun() -> Any:
    """The package; its absence skips the test, or fails it where CI requires the package."""
    if os.environ.get(REQUIRE) == "require":
        import rerun
    else:
        rerun = pytest.importorskip(
            "rerun", reason="pip install -r requirements/rerun.txt", exc_type=ImportError
        )
    return rerun


def boxes(number: int) -> Detections:
    """Detections of a level camera."""
    generator = torch.Generator().manual_seed(number)
    pose = torch.randn(number, 4, generator=generator) + torch.tensor([0.0, 0.0, 20.0, 0.0])
    root = torch.randn(number, 4, 4, generator=generator)
    return Detections(
        pose,
        torch.rand(number, 3, generator=generator) + 1,
        torch.arange(number) % 2,
        pose[:, :2],
        torch.zeros(number, dtype=torch.long),
        torch.linspace(0.9, 0.5, number),
        root @ root.mT,
        classes=CLASSES,
        camera=CAMERA,
    )


def picture(scale: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48 * scale, 64 * scale, 3), np.uint8)


def columns(rerun: Any, path: Path) -> dict[str, list]:
    """Values by entity and component, and times by time line; a row for each frame."""
    recording = rerun.dataframe.load_recording(path)
    return recording.view(index="frame", contents="/**").select().read_all().to_pydict()


def test_a_film_is_read_back(rerun: Any, tmp_path: Path) -> None:
    frames = [
        TrackedFrame(FilmFrame(index, 0.2 * index, picture()), boxes(index), np.arange(index) + 5)
        for index in range(3)
    ]
    path = tmp_path / "new" / "a.rrd"
    with rerun_recording(path) as recording:
        assert list(recorded(frames, recording, "drive")) == frames
    assert [file.name for file in path.parent.iterdir()] == ["a.rrd"]
    found = columns(rerun, path)
    assert found["frame"] == [0, 1, 2]
    seconds = [np.timedelta64(time, "ns") / np.timedelta64(1, "s") for time in found["time"]]
    np.testing.assert_allclose(seconds, [0, 0.2, 0.4], atol=EXACT)
    for index, each in enumerate(frames):
        pinhole = found["/drive/camera:PinholeProjection"][index][0]
        np.testing.assert_allclose(np.reshape(pinhole, (3, 3)).T, CAMERA.matrix, rtol=EXACT_FLOAT32)
        jpeg = np.array(found["/drive/camera:Blob"][index][0], np.uint8)
        assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape == (48, 64, 3)
        check_boxes(found, "/drive/", index, each.detections)
    assert found["/drive/boxes:Text"][2] == ["bicycle 5", "tram 6"]


def check_boxes(found: dict[str, list], root: str, index: int, truth: Detections) -> None:
    """The corners of the boxes and the covariances of their positions are those of a frame."""
    boxes_are, positions_are = (
        {
            name: np.array(found[f"{root}{entity}:{name}"][index] or [])
            for name in ("HalfSize3D", "PoseTranslation3D", "PoseRotationQuat")
        }
        for entity in ("boxes", "positions")
    )
    assert len(boxes_are["HalfSize3D"]) == len(truth)
    if len(truth) == 0:
        return
    rotation = Rotation.from_quat(boxes_are["PoseRotationQuat"]).as_matrix()
    front = boxes_are["PoseTranslation3D"] + rotation[:, :, 0] * boxes_are["HalfSize3D"][:, :1]
    level = truth.in_level_frame()
    heading = torch.stack(
        (level.pose[:, 3].cos(), 0 * level.pose[:, 3], -level.pose[:, 3].sin()), 1
    )
    expected = level.pose[:, :3] + heading * level.size[:, :1] / 2
    np.testing.assert_allclose(front, expected, rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32)
    axes = Rotation.from_quat(positions_are["PoseRotationQuat"]).as_matrix()
    variance = (positions_are["HalfSize3D"] / 2) ** 2
    covariance = (axes * variance[:, None]) @ axes.transpose(0, 2, 1)
    np.testing.assert_allclose(
        covariance, level.covariance[:, :3, :3], rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32
    )


def test_images_of_a_tilted_camera_are_read_back(rerun: Any, tmp_path: Path) -> None:
    rotation = rotation_of_tilt(6.0, -3.0).float()
    level = boxes(2)
    tilted = in_camera_frame(level, dict(level_rotation=rotation))
    with rerun_recording(tmp_path / "a.rrd") as recording:
        for name in ("one", "two"):
            recording.add_image(name, picture(), tilted)
    found = columns(rerun, tmp_path / "a.rrd")
    assert found["frame"] == [0, 1] and found.get("time", [None, None]) == [None, None]
    assert found["/images/file:Text"] == [["one"], ["two"]]
    assert found["/images/boxes:Text"][0] == ["bicycle 0.90", "tram 0.50"]
    matrix = found["/images/camera:TransformMat3x3"][0][0]
    np.testing.assert_allclose(np.reshape(matrix, (3, 3)).T, rotation, atol=EXACT_FLOAT32)
    check_boxes(found, "/images/", 1, tilted)


def test_an_error_leaves_the_recording_before(rerun: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.rrd"
    path.write_text("before")
    with pytest.raises(UserError, match="of the middle"), rerun_recording(path) as recording:
        recording.add_image("one", picture(), boxes(1))
        raise UserError("of the middle")
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match=r"a\.rrd cannot be a folder"):
        with rerun_recording(path / "b.rrd"):
            pass


@pytest.mark.parametrize("room", [0, 50_000])
def test_a_full_disk_is_one_line(rerun: Any, full_disk: Path, room: int) -> None:
    path = full_disk / "a.rrd"
    ballast = full_disk / "ballast"
    os.truncate(ballast, ballast.stat().st_size - room)
    with pytest.raises(UserError, match=r"a\.rrd cannot be written.*free some space"):
        with rerun_recording(path) as recording:
            recording.add_image("one", picture(scale=10), boxes(1))
    assert [each.name for each in full_disk.iterdir()] == ["ballast"]


def test_what_is_no_place_for_a_recording_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"a\.json is no name of a recording; end it in \.rrd"):
        check_recording(tmp_path / "a.json", [])
    with pytest.raises(UserError, match=r"a\.rrd is an input file; choose another --rerun"):
        check_recording(tmp_path / "a.rrd", [tmp_path / "x" / ".." / "a.rrd"])
    monkeypatch.setitem(sys.modules, "rerun", None)  # as where it is not installed
    with pytest.raises(UserError, match=r"--rerun needs .* pip install rerun-sdk==0\.23\.1"):
        check_recording(tmp_path / "a.rrd", [])


def test_ellipsoids_are_those_of_the_covariances() -> None:
    root = np.random.default_rng(1).standard_normal((20, 3, 3))
    covariance = root @ root.transpose(0, 2, 1)
    half, rotation = ellipsoids(covariance)
    # Two standard deviations from the centre on the surface, whatever the direction.
    surface = rotation.as_matrix() * half[:, None]
    squared = np.einsum("nia,nij,nja->na", surface, np.linalg.inv(covariance), surface)
    np.testing.assert_allclose(squared, 4.0, rtol=EXACT)
    assert ellipsoids(covariance[:0])[0].shape == (0, 3)
