"""Detections of the shipped model: names, filters, tables, pictures and files agree with each
other, and every form of an image gives the same ones.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from epropnp_det.apis import detect, init_model
from epropnp_det.console.detect import DEMO_IMAGE, SHIPPED
from epropnp_det.detection.detections import Detections
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.engine.images import read_image
from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera, EProPnP4DoF, PnPProblem
from tests.tolerances import BATCHED_DETECTIONS, SOLVED_AGAIN

INTRINSICS = (1266.4, 1266.4, 816.3, 491.5)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return init_model(SHIPPED, SHIPPED.with_suffix(".pth"), device="cpu")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return read_image(DEMO_IMAGE)


@pytest.fixture(scope="module")
def found(model: torch.nn.Module) -> Detections:
    return detect(model, DEMO_IMAGE, INTRINSICS, mc_samples=16)


def assert_same(one: Detections, other: Detections) -> None:
    assert one.names == other.names
    for name in ("score", "pose", "size", "covariance"):
        torch.testing.assert_close(
            one.require(name), other.require(name), rtol=BATCHED_DETECTIONS, atol=BATCHED_DETECTIONS
        )


def test_names_and_filters(found: Detections) -> None:
    assert found.names[0] == found.classes.class_names[int(found.label[0])]
    best = found.filter(score=0.5)
    assert 0 < len(best) < len(found) and best.score.min() >= 0.5
    cones = found.filter(names=["traffic_cone", "barrier"])
    assert set(cones.names) <= {"traffic_cone", "barrier"}
    near = found.filter(max_distance=20.0)
    assert near.pose[:, :3].norm(dim=1).max() <= 20
    assert len(found.filter(score=1.1)) == 0 and found.filter(score=1.1).to_records() == []
    with pytest.raises(UserError, match="no class tram; the model has car"):
        found.filter(names=["tram"])


def test_corners_surround_the_centre(found: Detections) -> None:
    corners = found.corners()
    assert corners.shape == (len(found), 8, 3)
    torch.testing.assert_close(corners.mean(1), found.pose[:, :3])
    length = (corners[:, 4] - corners[:, 0]).norm(dim=1)
    torch.testing.assert_close(length, found.size[:, 0])


def test_points_solve_to_the_pose(model: torch.nn.Module, found: Detections) -> None:
    """The points are in pixels of the given image, whatever the network saw: the solution of the
    problem that they state with the given camera is the pose, and the calibration widens its
    covariance.
    """
    best = found.filter(score=0.3)
    matrix = torch.from_numpy(best.camera.matrix).float().expand(len(best), 3, 3)
    camera = Camera.for_image(matrix, (1600, 900))
    problem = PnPProblem.adaptive(best.points, camera)
    solved = EProPnP4DoF(init=None, lm_iterations=20).solve(problem, start=best.pose)
    torch.testing.assert_close(solved.pose, best.pose, rtol=0, atol=SOLVED_AGAIN)
    calibrated = model.bbox_head.calibration.temperatures
    tail = 1 + calibrated.tail_share * (calibrated.tail_factor - 1)
    wider = solved.covariance * (tail * best.temperature)[:, None, None]
    variances = [each.diagonal(dim1=1, dim2=2) for each in (wider, best.covariance)]
    torch.testing.assert_close(*variances, rtol=SOLVED_AGAIN, atol=0)


def test_records_and_table_have_the_same_numbers(found: Detections) -> None:
    records = found.to_records()
    table = found.to_pandas()
    assert len(records) == len(table) == len(found)
    assert table["name"].tolist() == [record["category"] for record in records]
    poses = np.array([record["pose"] for record in records])
    np.testing.assert_array_equal(table[["x", "y", "z", "yaw"]].to_numpy(), poses)
    np.testing.assert_allclose(
        table["z_std"].to_numpy() ** 2, found.covariance[:, 2, 2].numpy(), rtol=1e-5
    )
    json.dumps(records)


def test_files_have_the_kind_of_their_suffix(
    found: Detections, pixels: np.ndarray, tmp_path: Path
) -> None:
    found.save(tmp_path / "a.json", image=DEMO_IMAGE)
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["detections"] == found.to_records() and content["image"] == str(DEMO_IMAGE)
    found.save(tmp_path / "a.csv")
    assert len(pd.read_csv(tmp_path / "a.csv")) == len(found)
    found.save(tmp_path / "a.jpg", image=pixels)
    assert cv2.imread(str(tmp_path / "a.jpg")).shape == (900, 1600 + 720, 3)
    with pytest.raises(UserError, match="is a picture; give the image"):
        found.save(tmp_path / "b.png")
    with pytest.raises(UserError, match=r"suffix must be \.json"):
        found.save(tmp_path / "b.txt")
    with pytest.raises(UserError, match=r"a\.csv cannot be a folder: File exists"):
        found.save(tmp_path / "a.csv" / "b.csv")


def test_plots_are_the_same_for_all_forms_of_the_image(
    found: Detections, pixels: np.ndarray
) -> None:
    best = found.filter(score=0.3)
    plot = np.asarray(best.plot(pixels))
    for image in (DEMO_IMAGE, Image.fromarray(pixels[..., ::-1])):
        np.testing.assert_array_equal(np.asarray(best.plot(image)), plot)
    np.testing.assert_array_equal(plot[:150, :1600], pixels[:150, :, ::-1])  # sky, RGB


def test_a_list_of_images_gives_what_each_alone_gives(
    model: torch.nn.Module, found: Detections, pixels: np.ndarray
) -> None:
    """Also where an image has another size, so that it cannot be in the same batch."""
    small = cv2.resize(pixels, (800, 450), interpolation=cv2.INTER_AREA)
    half = Intrinsics(np.array([[633.2, 0, 408.15], [0, 633.2, 245.75], [0, 0, 1]]))
    whole = Intrinsics.of(INTRINSICS)
    alone = detect(model, small, half)
    both = detect(
        model,
        [pixels, small, Image.fromarray(pixels[..., ::-1])],
        [whole, half, whole],
    )
    for one, other in zip(both, (found, alone, found), strict=True):
        assert_same(one, other)
    with pytest.raises(UserError, match="2 Intrinsics for 3 images"):
        detect(model, [pixels] * 3, [whole, half])


def test_a_tilted_camera_keeps_its_level_frame(model: torch.nn.Module, pixels: np.ndarray) -> None:
    tilted = detect(model, pixels, INTRINSICS, pitch=3.0)
    record = tilted.to_records()[0]
    rotation = rotation_of_tilt(3.0, 0.0).numpy()
    np.testing.assert_allclose(
        rotation @ record["pose"][:3], record["level"]["pose"][:3], rtol=1e-5
    )
    heights = tilted.corners() @ torch.from_numpy(rotation).float().T
    low = heights[:, [2, 3, 6, 7], 1]
    torch.testing.assert_close(low, low[:, :1].expand_as(low), rtol=0, atol=1e-4)
