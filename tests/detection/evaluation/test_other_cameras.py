"""Detections in pictures of other cameras, compared with the ground truth and the original."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.detection.data.projection import project
from epropnp_det.detection.evaluation.other_cameras import (
    CAMERAS,
    ORIGINAL,
    OtherCamera,
    SeenObject,
    as_markdown,
    camera_table,
    from_json,
    to_json,
    without_canonical_camera,
)
from epropnp_det.errors import UserError
from tests.tolerances import EXACT

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs/detection/synthetic/epropnp_r18_varied"
MATRIX = np.array([[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]])
SIZE = (1600, 900)


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda camera: camera.name)
def test_the_picture_belongs_to_its_matrix_and_tilt(camera: OtherCamera):
    """A point of the image's frame is drawn where the other camera projects it."""
    view = camera.view(np.zeros((900, 1600, 3), np.uint8), MATRIX)
    points = np.random.default_rng(0).uniform((-2, -1, 8), (2, 1, 30), (20, 3))
    in_camera = points @ camera.rotation  # rows: R^T x
    expected = project(in_camera, camera.matrix(MATRIX, SIZE))
    np.testing.assert_allclose(project(points, view.target), expected, rtol=EXACT)
    assert view.size == (camera.size or SIZE)


def test_the_original_keeps_its_matrix():
    np.testing.assert_allclose(CAMERAS[0].matrix(MATRIX, SIZE), MATRIX, rtol=EXACT)
    half = OtherCamera("half", (800, 450)).matrix(MATRIX, SIZE)
    np.testing.assert_allclose(half[:2], MATRIX[:2] / 2, rtol=EXACT)


def objects(*depths: float | None, found: bool = True) -> list[SeenObject]:
    """Objects 10 m away, detected at these depths with a standard deviation of 1 m."""
    return [
        SeenObject(i, found, 10.0, None if depth is None else (0.0, depth, 1.0, 0.0, 0.0, 1.0))
        for i, depth in enumerate(depths)
    ]


def test_the_table_compares_the_same_objects():
    image = {camera.name: objects(10.0, 10.0, 10.0) for camera in CAMERAS}
    image["pitch 5"] = objects(12.0, 13.0, found=False)
    image["roll 5"] = objects(None)
    rows = {row["camera"]: row for row in camera_table([{"m": image}])}
    assert rows[ORIGINAL]["inside_95"] == rows[ORIGINAL]["found"] == 1
    assert rows["pitch 5"]["objects"] == 2 and rows["pitch 5"]["found"] == 0
    assert rows["pitch 5"]["found_in_original"] == 1
    # The ellipse of 95 % reaches to 2.45 standard deviations.
    assert rows["pitch 5"]["inside_95"] == 0.5
    assert rows["pitch 5"]["depth_error"] == pytest.approx(0.25)
    assert rows["roll 5"]["depth_change"] is None
    assert "| m | roll 5 | 1 | 1.00 | 1.00 | – | – | – |" in as_markdown(list(rows.values()))


def test_results_survive_a_file():
    seen = {"m": {camera.name: objects(9.0, None) for camera in CAMERAS}}
    assert from_json(json.loads(json.dumps(to_json(seen)))).keys() == seen.keys()
    again = to_json(from_json(json.loads(json.dumps(to_json(seen)))))
    assert json.dumps(again) == json.dumps(to_json(seen))


def test_another_kind_of_model_is_one_line():
    with pytest.raises(UserError, match="a Linear has no covariances"):
        without_canonical_camera(torch.nn.Linear(1, 1))


def test_the_command_resumes(call, database: Path, tmp_path: Path):
    out = tmp_path / "cameras"
    arguments = (f"{CONFIG}.py", f"{CONFIG}.pth", out, "--every", 12, "--data-root", database)
    code, printed, _ = call("evaluate_cameras", *arguments)
    assert code == 0 and "| none | pitch 10 |" in printed
    table = json.loads((out / "cameras.json").read_text())
    assert table["images"] == 1 and len(table["rows"]) == 2 * len(CAMERAS)
    first = (out / "images.jsonl").read_bytes()
    (out / "images.jsonl").write_bytes(first + b'{"index": 1, "se')
    assert call("evaluate_cameras", *arguments)[0] == 0
    assert (out / "images.jsonl").read_bytes() == first
    assert json.loads((out / "cameras.json").read_text()) == table
    code, _, fault = call("evaluate_cameras", *arguments, "--score-thr", 0.5)
    assert code == 2 and "choose another OUT" in fault
