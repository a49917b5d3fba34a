"""The visual odometry of `demo/track_camera.py`: laws of its parts on points with known poses, and
the command on a few rendered frames.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from epropnp_det.pnp import Camera
from tests.tolerances import FLOW, MINIMUM, TRACKED_METRES

DEMO = Path(__file__).parents[2] / "demo"
MATRIX = np.array([[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]])
SIZE = (1600, 900)
FRAMES = 12
# Frames at which the points are new.
KEYFRAMES = (0, 4, 8)


@pytest.fixture
def odometry(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, importable as for a user who runs the demonstration."""
    monkeypatch.syspath_prepend(str(DEMO))
    import _odometry

    yield _odometry


def true_poses() -> np.ndarray:
    """(T, 4, 4) of a camera that drives ahead on a bend."""
    poses = [np.eye(4)]
    step = np.eye(4)
    step[:3, :3] = Rotation.from_rotvec([0.001, 0.01, 0.0]).as_matrix()
    step[2, 3] = 0.6
    for _ in range(FRAMES - 1):
        poses.append(poses[-1] @ step)
    return np.stack(poses)


def make_matches(odometry: ModuleType, noise: float, seed: int = 0, number: int = 150) -> list:
    """Matches of every frame but the first, with noise of the image points [px]."""
    rng = np.random.default_rng(seed)
    poses = true_poses()
    matches = []
    for index in range(1, FRAMES):
        keyframe = max(key for key in KEYFRAMES if key < index)
        points = np.random.default_rng(keyframe).uniform((-12, -3, 8), (12, 2, 40), (number, 3))
        motion = np.linalg.inv(poses[index]) @ poses[keyframe]
        image = (points @ motion[:3, :3].T + motion[:3, 3]) @ MATRIX.T
        pixel = image[:, :2] / image[:, 2:] + noise * rng.standard_normal((number, 2))
        inside = (image[:, 2] > 1) & ((pixel > 0) & (pixel < SIZE)).all(axis=1)
        matches.append(odometry.Matches(points[inside], pixel[inside], keyframe, 0.0))
    return matches


def tracker(odometry: ModuleType, name: str):
    if name == "ransac":
        return odometry.RansacTracker(MATRIX)
    camera = Camera.for_image(torch.from_numpy(MATRIX), SIZE)
    # These points share no errors.
    noise = odometry.Noise(temperature=1.0)
    return odometry.LayerTracker(camera, noise, use_prior=name == "prior")


@pytest.mark.parametrize("name", ["prior", "no prior", "ransac"])
def test_exact_points_give_the_exact_drive(odometry: ModuleType, name: str) -> None:
    found = odometry.run(make_matches(odometry, noise=0.0), tracker(odometry, name))
    assert all(step.found for step in found.steps)
    np.testing.assert_allclose(found.poses, true_poses(), atol=10 * MINIMUM)


def test_drift_lies_within_its_covariance(odometry: ModuleType) -> None:
    """The mean squared Mahalanobis distance of the last pose over eight drives; 6 is right."""
    distances = []
    for seed in range(8):
        matches = make_matches(odometry, noise=0.5, seed=seed)
        found = odometry.run(matches, tracker(odometry, "prior"))
        last, truth = found.poses[-1], true_poses()[-1]
        turn = Rotation.from_matrix(last[:3, :3] @ truth[:3, :3].T).as_rotvec()
        error = np.concatenate((last[:3, 3] - truth[:3, 3], turn))
        distances.append(error @ np.linalg.solve(found.covariance[-1], error))
    assert 2 < np.mean(distances) < 12


@pytest.mark.parametrize("name", ["prior", "no prior"])
def test_three_outliers_in_ten_do_no_harm(odometry: ModuleType, name: str) -> None:
    matches = odometry.with_outliers(make_matches(odometry, noise=0.3), 0.3, SIZE, seed=0)
    found = odometry.run(matches, tracker(odometry, name))
    error = np.linalg.norm((found.poses - true_poses())[:, :3, 3], axis=1)
    assert error.max() < TRACKED_METRES


def test_frames_without_points_follow_the_prediction(odometry: ModuleType) -> None:
    """The prior alone is the posterior: constant velocity goes on, and the covariance grows."""
    matches = make_matches(odometry, noise=0.0)
    few = odometry.Matches(matches[6].x3d[:1], matches[6].x2d[:1], matches[6].keyframe, 0.0)
    found = odometry.run([*matches[:6], few], tracker(odometry, "prior"))
    error = np.linalg.norm((found.poses - true_poses()[:8])[:, :3, 3], axis=1)
    assert found.steps[-1].found and error.max() < TRACKED_METRES
    assert np.trace(found.covariance[-1]) > 4 * np.trace(found.covariance[-2])


def test_flow_finds_a_shift(odometry: ModuleType) -> None:
    texture = np.random.default_rng(0).uniform(0, 255, (300, 400)).astype(np.float32)
    image = cv2.GaussianBlur(texture, None, 2)
    image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    shift = np.array([[1.0, 0.0, 3.25], [0.0, 1.0, -1.5]])
    moved = cv2.warpAffine(image, shift, image.shape[::-1])
    start = np.random.default_rng(1).uniform(50, 250, (40, 2)).astype(np.float32)
    end, found = odometry.flow(image, moved, start)
    assert found.mean() > 0.9
    np.testing.assert_allclose(
        (end - start)[found], np.tile(shift[:, 2], (found.sum(), 1)), atol=FLOW
    )


@pytest.mark.slow
def test_command_writes_picture_and_numbers(tmp_path: Path) -> None:
    out = tmp_path / "track.png"
    command = [sys.executable, str(DEMO / "track_camera.py"), "--frames", "4", "--points", "80"]
    command += ["--work-dir", str(tmp_path / "drive"), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    numbers = json.loads(out.with_suffix(".json").read_text())
    solvers = numbers["0"]["solvers"]
    assert out.exists() and set(solvers) == {"layer, prior", "layer, no prior", "RANSAC"}
    assert all(row["ate_metres"] < TRACKED_METRES for row in solvers.values())
