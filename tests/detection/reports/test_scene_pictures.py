"""Pictures of a scene with several cameras, whatever their names are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from pyquaternion import Quaternion

from epropnp_det.detection.evaluation.camera_fusion import GlobalBoxes3D
from epropnp_det.detection.evaluation.scene_tracks import Sample, Scene, TrackedBoxes
from epropnp_det.detection.reports.scene_pictures import draw_scene

WIDTH = 64
HEIGHT = 36
# From the axes of a camera that points ahead to those of the vehicle.
AHEAD = Quaternion(matrix=np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))
RIG = {"ahead": 0, "a": 55, "b": -55, "c": 110, "d": -110, "rear": 180}


def scene_of(root: Path, azimuths: Mapping[str, float]) -> Scene:
    """A sample with an image of one grey for each camera, 10 times its number."""
    records = []
    for number, (name, degrees) in enumerate(azimuths.items()):
        turned = Quaternion(axis=(0, 0, 1), degrees=degrees) * AHEAD
        file = root / name / "7.png"
        file.parent.mkdir()
        cv2.imwrite(str(file), np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8))
        records.append(
            dict(
                file_name=f"{name}/7.png",
                width=WIDTH,
                height=HEIGHT,
                cam_intrinsic=[[50.0, 0.0, 32.0], [0.0, 50.0, 18.0], [0.0, 0.0, 1.0]],
                cam2ego_rotation=turned.elements.tolist(),
                cam2ego_translation=[0.0, 0.0, 1.5],
                ego2global_rotation=[1.0, 0.0, 0.0, 0.0],
                ego2global_translation=[0.0, 0.0, 0.0],
            )
        )
    return Scene([Sample(records, 0.0)], None)


def nothing() -> TrackedBoxes:
    shapes = dict(center=3, wlh=3, rotation=(3, 3), velocity=2, covariance=(3, 3))
    arrays = {name: np.zeros((0, *np.atleast_1d(shape))) for name, shape in shapes.items()}
    labels = {name: np.zeros(0, int) for name in ("label", "attribute")}
    boxes = GlobalBoxes3D(score=np.zeros(0), **arrays, **labels)
    return TrackedBoxes(boxes, np.zeros(0, int))


@pytest.mark.parametrize(
    ("cameras", "greys"),
    [
        (("ahead", "a", "b", "c", "d", "rear"), [[10, 0, 20], [30, 50, 40]]),
        (("rear", "b", "ahead", "a"), [[30, 20, 10], [0, 128, 128]]),
        (("b", "a"), [[10, 0], [128, 128]]),
        (("rear",), [[0]]),
    ],
)
def test_cameras_lie_in_the_picture_as_around_the_vehicle(
    cameras: tuple[str, ...], greys: list[list[int]], tmp_path: Path
) -> None:
    scene = scene_of(tmp_path, {name: RIG[name] for name in cameras})
    (picture,) = draw_scene(scene, [nothing()], ["car"], tmp_path, WIDTH)
    middles = picture[HEIGHT // 2 :: HEIGHT, WIDTH // 2 :: WIDTH, 0]
    assert middles[:, : len(greys[0])].tolist() == greys
    assert picture.shape[1] == len(greys[0]) * WIDTH + picture.shape[0]
