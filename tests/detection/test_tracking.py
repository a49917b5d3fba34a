"""Constant-velocity tracks: who is who after crossings, gaps and changes of the frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from epropnp_det.detection.boxes import Boxes3D, in_camera_frame
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.detection.tracking import (
    MOVING_CAMERA,
    GroundDetections,
    TrackerSettings,
    Tracks,
    assign,
    predict,
    update,
)
from tests.tolerances import EXACT

SETTINGS = TrackerSettings()


def seen(
    position: np.ndarray,
    velocity: np.ndarray | None = None,
    deviation: float = 0.1,
    label: np.ndarray | None = None,
) -> GroundDetections:
    number = len(position)
    return GroundDetections(
        np.asarray(position, float),
        np.tile(deviation**2 * np.eye(2), (number, 1, 1)),
        np.full((number, 2), np.nan) if velocity is None else np.asarray(velocity, float),
        np.zeros(number, int) if label is None else label,
    )


def follow(
    frames: list[GroundDetections], step: float = 0.5, settings: TrackerSettings = SETTINGS
) -> list[np.ndarray]:
    """Track numbers of each frame."""
    tracks = Tracks.none()
    numbers = []
    for index, detections in enumerate(frames):
        tracks, identity = update(tracks, detections, index * step, settings)
        numbers.append(identity)
    return numbers


def test_two_that_cross_keep_their_numbers() -> None:
    times = 0.5 * np.arange(12)
    first = np.stack((times * 8 - 20, 0 * times + 0.3), axis=1)
    second = np.stack((20 - times * 8, 0 * times - 0.3), axis=1)
    frames = [seen(np.stack(pair)) for pair in zip(first, second)]
    assert all((one == [0, 1]).all() for one in follow(frames))


def test_the_order_of_detections_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    start = rng.uniform(-30, 30, (8, 2))
    velocity = rng.uniform(-5, 5, (8, 2))
    orders = [np.arange(8), *(rng.permutation(8) for _ in range(6))]
    frames = [
        seen((start + 0.5 * index * velocity)[order], velocity[order])
        for index, order in enumerate(orders)
    ]
    for identity, order in zip(follow(frames), orders):
        np.testing.assert_array_equal(identity, order)


def test_numbers_do_not_depend_on_the_frame() -> None:
    """Turned and moved axes: the same assignment."""
    rng = np.random.default_rng(1)
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    frames = []
    moved = []
    for index in range(6):
        position = rng.uniform(-4, 4, (5, 2)) + index
        root = rng.standard_normal((5, 2, 2))
        covariance = root @ root.transpose(0, 2, 1) + np.eye(2)
        frames.append(GroundDetections(position, covariance, position * 0, np.zeros(5, int)))
        moved.append(
            GroundDetections(
                position @ turn.T + 100,
                turn @ covariance @ turn.T,
                position * 0,
                np.zeros(5, int),
            )
        )
    for one, other in zip(follow(frames), follow(moved)):
        np.testing.assert_array_equal(one, other)


def test_a_gap_is_bridged_and_a_long_one_is_not() -> None:
    def way(gap: int) -> list[GroundDetections]:
        there = [0, 1, 2, 3 + gap]
        return [
            seen(np.array([[4.0 * t, 0.0]] if t in there else np.zeros((0, 2))))
            for t in range(there[-1] + 1)
        ]

    assert follow(way(1))[-1].tolist() == [0]
    assert follow(way(5))[-1].tolist() == [1]


def test_classes_are_never_mixed() -> None:
    frames = [seen(np.zeros((1, 2)), label=np.array([label])) for label in (0, 1, 0)]
    assert [one.tolist() for one in follow(frames)] == [[0], [1], [0]]


def test_the_covariance_decides() -> None:
    """Two metres off: too far for a sure detection, near enough for an unsure one."""
    tracks, _ = update(Tracks.none(), seen(np.zeros((1, 2)), np.zeros((1, 2))), 0.0, SETTINGS)
    for deviation, number in ((0.1, 0), (3.0, 1)):
        track, _ = assign(tracks, seen(np.array([[3.0, 0.0]]), deviation=deviation), SETTINGS)
        assert len(track) == number


def test_motion_at_constant_velocity_is_predicted_exactly() -> None:
    tracks, _ = update(
        Tracks.none(), seen(np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]])), 1.0, SETTINGS
    )
    later = predict(tracks, 3.0, SETTINGS)
    np.testing.assert_allclose(later.mean[0], [7.0, 0.0, 3.0, -1.0], atol=EXACT)
    halfway = predict(predict(tracks, 2.0, SETTINGS), 3.0, SETTINGS)
    np.testing.assert_allclose(halfway.mean, later.mean, atol=EXACT)
    growth = (later.covariance - tracks.covariance)[0]
    assert (np.diagonal(growth) > 0).all()


def test_correction_is_the_least_squares_of_both() -> None:
    """Track and detection as two measurements of one state."""
    tracks, _ = update(Tracks.none(), seen(np.zeros((1, 2)), np.zeros((1, 2))), 0.0, SETTINGS)
    predicted = predict(tracks, 0.5, SETTINGS)
    detection = seen(np.array([[0.5, 0.2]]), np.array([[1.0, 0.0]]))
    after, identity = update(tracks, detection, 0.5, SETTINGS)
    noise = np.diag([0.1**2 + SETTINGS.position_noise**2] * 2 + [SETTINGS.velocity_noise**2] * 2)
    precision = np.linalg.inv(predicted.covariance[0]) + np.linalg.inv(noise)
    measured = np.array([0.5, 0.2, 1.0, 0.0])
    weighted = np.linalg.solve(predicted.covariance[0], predicted.mean[0])
    weighted = weighted + np.linalg.solve(noise, measured)
    np.testing.assert_allclose(after.mean[0], np.linalg.solve(precision, weighted), atol=EXACT)
    np.testing.assert_allclose(after.covariance[0], np.linalg.inv(precision), atol=EXACT)
    assert identity.tolist() == [0]


@pytest.mark.parametrize("number", [0, 3])
def test_nothing_to_assign_is_fine(number: int) -> None:
    tracks, identity = update(Tracks.none(), seen(np.zeros((number, 2))), 0.0, SETTINGS)
    assert len(tracks) == number and identity.tolist() == list(range(number))
    tracks, identity = update(tracks, seen(np.zeros((0, 2))), 0.5, SETTINGS)
    assert len(identity) == 0 and len(tracks) == number


def camera_boxes(number: int) -> Boxes3D:
    """Boxes of a level camera with covariances, the last of which is not known."""
    generator = torch.Generator().manual_seed(3)
    pose = torch.randn(number, 4, generator=generator, dtype=torch.float64)
    root = torch.randn(number, 4, 4, generator=generator, dtype=torch.float64)
    covariance = root @ root.mT + torch.eye(4)
    covariance[-1] = torch.nan
    label = torch.arange(number)
    return Boxes3D(pose, pose.new_ones(number, 3), label, pose[:, :2], covariance=covariance)


def test_detections_of_a_camera_are_on_the_ground_whatever_its_tilt() -> None:
    boxes = camera_boxes(5)
    level = GroundDetections.of_camera(boxes)
    np.testing.assert_array_equal(level.position, boxes.pose[:, [0, 2]])
    block = boxes.covariance[:-1][:, [0, 2]][:, :, [0, 2]]
    np.testing.assert_array_equal(level.covariance[:-1], block)
    np.testing.assert_array_equal(level.covariance[-1], np.eye(2))
    assert np.isnan(level.velocity).all()  # over the ground, and the camera may move
    rotation = rotation_of_tilt(8.0, -5.0)
    tilted = GroundDetections.of_camera(in_camera_frame(boxes, dict(level_rotation=rotation)))
    np.testing.assert_allclose(tilted.position, level.position, atol=EXACT)
    np.testing.assert_allclose(tilted.covariance, level.covariance, atol=EXACT)


@pytest.mark.parametrize("step", [1 / 30, 0.1])
@pytest.mark.parametrize("speed, turn", [(0.0, 0.0), (15.0, 0.0), (35.0, 0.0), (10.0, 0.3)])
def test_a_standing_world_keeps_its_numbers_while_the_camera_moves(
    step: float, speed: float, turn: float
) -> None:
    """Velocities of a driving and turning camera [m/s, rad/s] are not known to the tracker."""
    rng = np.random.default_rng(2)
    world = np.stack(np.meshgrid([-9.0, -3.0, 4.0], np.arange(12.0, 60.0, 8.0)), -1).reshape(-1, 2)
    place = np.zeros(2)
    heading = 0.0
    frames = []
    for _ in range(15):
        axes = np.array([[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]])
        noise = rng.normal(0, 0.2, world.shape)
        frames.append(seen((world - place) @ axes.T + noise, deviation=0.2))
        place = place + step * speed * axes[1]
        heading += step * turn
    for identity in follow(frames, step, MOVING_CAMERA):
        np.testing.assert_array_equal(identity, np.arange(len(world)))
