"""Visual odometry: laws of its parts on points with known poses."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from scipy.ndimage import fourier_shift
from scipy.spatial.transform import Rotation

from epropnp_det.odometry.accuracy import Run, coverage, deviation, evo_errors, summary
from epropnp_det.odometry.matches import Frame, Matches, flow, with_outliers
from epropnp_det.odometry.pictures import draw_drives
from epropnp_det.odometry.synthetic_drive import noisy
from epropnp_det.odometry.trackers import LayerTracker, Noise, RansacTracker, Step
from epropnp_det.odometry.trajectory import SCALE_ERROR, Trajectory, run
from epropnp_det.pnp import Camera
from tests.tolerances import EXACT, FLOW, MINIMUM, SIGMAS, TRACKED_METRES

MATRIX = np.array([[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]])
SIZE = (1600, 900)
FRAMES = 12
# Frames at which the points are new.
KEYFRAMES = (0, 4, 8)


def true_poses() -> np.ndarray:
    """(T, 4, 4) of a camera that drives ahead on a bend."""
    poses = [np.eye(4)]
    step = np.eye(4)
    step[:3, :3] = Rotation.from_rotvec([0.001, 0.01, 0.0]).as_matrix()
    step[2, 3] = 0.6
    for _ in range(FRAMES - 1):
        poses.append(poses[-1] @ step)
    return np.stack(poses)


def make_matches(noise: float, seed: int = 0, number: int = 150) -> list:
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
        matches.append(Matches(points[inside], pixel[inside], keyframe, 0.0))
    return matches


def tracker(name: str):
    if name == "ransac":
        return RansacTracker(MATRIX)
    camera = Camera.for_image(torch.from_numpy(MATRIX), SIZE)
    # These points share no errors.
    noise = Noise(temperature=1.0)
    return LayerTracker(camera, noise, use_prior=name == "prior")


@pytest.mark.parametrize("name", ["prior", "no prior", "ransac"])
def test_exact_points_give_the_exact_drive(name: str) -> None:
    found = run(make_matches(noise=0.0), tracker(name))
    assert all(step.found for step in found.steps)
    np.testing.assert_allclose(found.poses, true_poses(), atol=10 * MINIMUM)


def test_drift_lies_within_its_covariance() -> None:
    """The mean squared Mahalanobis distance of the last pose over eight drives; 6 is right."""
    distances = []
    for seed in range(8):
        matches = make_matches(noise=0.5, seed=seed)
        found = run(matches, tracker("prior"))
        last, truth = found.poses[-1], true_poses()[-1]
        turn = Rotation.from_matrix(last[:3, :3] @ truth[:3, :3].T).as_rotvec()
        error = np.concatenate((last[:3, 3] - truth[:3, 3], turn))
        distances.append(error @ np.linalg.solve(found.covariance[-1], error))
    assert 2 < np.mean(distances) < 12


def test_an_error_of_the_scale_is_in_the_covariance_of_the_drift() -> None:
    """Points that are too far by one standard deviation of the scale move the camera by one
    standard deviation of its position.
    """
    matches = [replace(one, x3d=one.x3d * (1 + SCALE_ERROR)) for one in make_matches(noise=0.0)]
    found = run(matches, tracker("prior"))
    error = (found.poses - true_poses())[-1, :3, 3]
    distance = np.linalg.norm(error)
    ahead = error / distance
    deviation = np.sqrt(ahead @ found.covariance[-1, :3, :3] @ ahead)
    assert distance == pytest.approx(deviation, rel=0.01)


@pytest.mark.parametrize("name", ["prior", "no prior"])
def test_three_outliers_in_ten_do_no_harm(name: str) -> None:
    matches = with_outliers(make_matches(noise=0.3), 0.3, SIZE, seed=0)
    found = run(matches, tracker(name))
    error = np.linalg.norm((found.poses - true_poses())[:, :3, 3], axis=1)
    assert error.max() < TRACKED_METRES


def test_frames_without_points_follow_the_prediction() -> None:
    """The prior alone is the posterior: constant velocity goes on, and the covariance grows."""
    matches = make_matches(noise=0.0)
    few = Matches(matches[6].x3d[:1], matches[6].x2d[:1], matches[6].keyframe, 0.0)
    found = run([*matches[:6], few], tracker("prior"))
    error = np.linalg.norm((found.poses - true_poses()[:8])[:, :3, 3], axis=1)
    assert found.steps[-1].found and error.max() < TRACKED_METRES
    assert np.trace(found.covariance[-1]) > 4 * np.trace(found.covariance[-2])


def test_flow_finds_a_shift() -> None:
    """Of an image that is shifted without loss: interpolation between pixels would move the
    texture itself by as much as the flow errs.
    """
    texture = np.random.default_rng(0).uniform(0, 255, (300, 400)).astype(np.float32)
    smooth = cv2.GaussianBlur(texture, None, 2)
    shift = np.array([3.25, -1.5])
    shifted = np.fft.ifft2(fourier_shift(np.fft.fft2(smooth), shift[::-1])).real
    low, high = smooth.min(), smooth.max()
    image, moved = (
        np.clip(np.round(255 * (each - low) / (high - low)), 0, 255).astype(np.uint8)
        for each in (smooth, shifted)
    )
    start = np.random.default_rng(1).uniform(50, 250, (40, 2)).astype(np.float32)
    end, found = flow(image, moved, start)
    assert found.mean() > 0.9
    np.testing.assert_allclose((end - start)[found], np.tile(shift, (found.sum(), 1)), atol=FLOW)


# --- accuracy ---


def moved_rigidly(poses: np.ndarray) -> np.ndarray:
    """The same drive (T, 4, 4) from another place and heading."""
    other = np.eye(4)
    other[:3, :3] = Rotation.from_rotvec([0.1, -0.4, 0.2]).as_matrix()
    other[:3, 3] = (3.0, -1.0, 2.0)
    return other @ poses


def run_of(poses: np.ndarray, covariance: np.ndarray, solver: str = "layer") -> Run:
    """A run with these poses (T, 4, 4) and covariances (T, 6, 6) of their drift, whose keyframe is
    the first frame.
    """
    steps = [
        Step(torch.zeros(7), torch.from_numpy(each), seconds=0.002, keyframe=0, found=True)
        for each in covariance[1:]
    ]
    return Run("scene", solver, 0.0, Trajectory(poses, covariance, steps), true_poses())


def test_a_rigid_motion_of_the_drive_is_no_error_of_its_shape() -> None:
    pytest.importorskip("evo")
    covariance = np.tile(np.eye(6), (FRAMES, 1, 1))
    errors = evo_errors(run_of(moved_rigidly(true_poses()), covariance))
    assert errors["ate_metres"] == pytest.approx(0, abs=1e-6)  # evo's alignment by an SVD
    assert errors["rpe_metres"] == pytest.approx(0, abs=EXACT)
    assert errors["drift_percent"] > 0


def test_deviation_is_the_difference_that_was_put_in() -> None:
    truth = true_poses()
    turn = np.array([0.02, -0.01, 0.03])
    found = truth.copy()
    found[:, :3, :3] = Rotation.from_rotvec(turn).as_matrix() @ truth[:, :3, :3]
    found[:, :3, 3] += (0.1, 0.2, -0.3)
    expected = np.tile([0.1, 0.2, -0.3, *turn], (FRAMES, 1))
    np.testing.assert_allclose(deviation(found, truth), expected, atol=EXACT)


def test_drawn_errors_lie_in_their_regions_as_often_as_promised() -> None:
    """Of 80 drives whose poses are draws from the predicted distribution of their drift."""
    rng = np.random.default_rng(0)
    root = 1e-2 * np.tril(rng.standard_normal((6, 6))) + 1e-2 * np.eye(6)
    covariance = np.tile(root @ root.T, (FRAMES, 1, 1))
    runs = []
    for _ in range(80):
        error = rng.standard_normal((FRAMES, 6)) @ root.T
        found = true_poses()
        found[:, :3, :3] = Rotation.from_rotvec(error[:, 3:]).as_matrix() @ found[:, :3, :3]
        found[:, :3, 3] += error[:, :3]
        runs.append(run_of(found, covariance))
    shares = coverage(runs)["in first frame"]
    number = 80 * (FRAMES - 1)
    for level, share in zip((0.5, 0.68, 0.9, 0.95), shares, strict=True):
        assert abs(share - level) < SIGMAS * np.sqrt(level * (1 - level) / number)


def test_solvers_without_a_covariance_have_no_coverage() -> None:
    unknown = np.full((FRAMES, 6, 6), np.nan)
    assert coverage([run_of(true_poses(), unknown)]) == {}


def test_summary_and_picture_have_every_solver() -> None:
    pytest.importorskip("evo")
    covariance = np.tile(np.eye(6), (FRAMES, 1, 1))
    runs = [run_of(true_poses(), covariance, solver) for solver in ("layer", "other")]
    numbers = summary(runs, make_matches(noise=0.0))
    assert set(numbers["solvers"]) == {"layer", "other"}
    assert numbers["solvers"]["layer"]["milliseconds"] == pytest.approx(2)
    assert numbers["solvers"]["layer"]["not_found"] == 0
    above, errors = draw_drives(runs).axes
    assert above.get_legend_handles_labels()[1] == ["true", "layer", "other"]
    assert errors.get_legend_handles_labels()[1] == ["layer", "other", "predicted, layer"]


def test_noise_of_the_lidar_is_along_the_ray() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((-10, -2, 5), (10, 2, 40), (4000, 3)).astype(np.float32)
    frame = Frame(np.zeros((2, 2), np.uint8), points, np.eye(4), 0.0)
    found = noisy(frame, 0.02, seed=1).points
    distance = np.linalg.norm(points, axis=1)
    error = np.linalg.norm(found, axis=1) - distance
    rays = points / distance[:, None]
    np.testing.assert_allclose(found / np.linalg.norm(found, axis=1)[:, None], rays, atol=1e-6)
    assert error.std() == pytest.approx(0.02, rel=SIGMAS / np.sqrt(2 * 4000))
