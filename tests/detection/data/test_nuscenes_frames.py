"""Laws of the frame conversions, against the devkit's and mmdet3d's own boxes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mmdet3d.core.bbox import CameraInstance3DBoxes
from nuscenes.utils.data_classes import Box
from pyquaternion import Quaternion

from epropnp_det.detection.data import frames, projection

YAWS = np.linspace(-math.pi, math.pi, 25)[1:]


def tilted_transform(seed: int) -> frames.RigidTransform:
    """A camera with any heading, a few degrees off level in pitch and roll."""
    rng = np.random.default_rng(seed)
    heading, pitch, roll = rng.uniform(-3, 3), *rng.uniform(-0.08, 0.08, 2)
    upright = np.array(
        [
            [math.sin(heading), 0, math.cos(heading)],
            [-math.cos(heading), 0, math.sin(heading)],
            [0, -1, 0],
        ]
    )
    tilt = Quaternion(axis=(1, 0, 0), angle=pitch) * Quaternion(axis=(0, 0, 1), angle=roll)
    return frames.RigidTransform(upright @ tilt.rotation_matrix, rng.normal(0, 500, 3))


def same_points(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two sets of points (n, 3) are equal up to their order."""
    distance = np.linalg.norm(a[:, None] - b[None], axis=-1)
    return bool((distance.min(axis=0) < 1e-5).all() and (distance.min(axis=1) < 1e-5).all())


def test_rotation_has_the_heading_of_the_yaw_matrix_and_its_up_axis_points_up():
    rotation = frames.rotation_from_yaw(YAWS)
    r_y = np.array(
        [[[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]] for a in YAWS]
    )
    np.testing.assert_allclose(rotation[:, :, 0], r_y @ [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(
        rotation[:, :, 2], np.broadcast_to([0, -1, 0], (len(YAWS), 3)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-12)


def test_yaw_survives_the_round_trip():
    np.testing.assert_allclose(
        frames.yaw_from_rotation(frames.rotation_from_yaw(YAWS)), YAWS, atol=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_inverse_and_composition(seed: int):
    rng = np.random.default_rng(seed)
    a, b, points = (
        tilted_transform(seed),
        tilted_transform(seed + 100),
        rng.normal(0, 20, (4, 7, 3)),
    )
    np.testing.assert_allclose(a.inverse()(a(points)), points, atol=1e-9)
    np.testing.assert_allclose((a @ b)(points), a(b(points)), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_velocity_survives_the_round_trip_through_a_tilted_camera(seed: int):
    to_global, velocity = tilted_transform(seed), np.random.default_rng(seed).normal(0, 8, (20, 2))
    in_camera = frames.velocity_to_camera(velocity, to_global)
    np.testing.assert_allclose(frames.velocity_to_global(in_camera, to_global), velocity, atol=1e-9)


def test_unknown_velocity_stays_unknown():
    to_global, unknown = tilted_transform(0), np.full((1, 2), np.nan)
    assert np.isnan(frames.velocity_to_camera(unknown, to_global)).all()
    assert np.isnan(frames.velocity_to_global(unknown, to_global)).all()


def test_sizes_survive_the_round_trip():
    wlh = np.random.default_rng(0).uniform(0.3, 9, (6, 3))
    np.testing.assert_array_equal(frames.size_to_devkit(frames.size_to_object_axes(wlh)), wlh)
    np.testing.assert_array_equal(
        frames.size_to_object_axes(np.array([2.0, 5.0, 1.5])), [5.0, 1.5, 2.0]
    )


@pytest.mark.parametrize("yaw", [-2.5, 0.0, 0.4, 1.9])
def test_corners_are_those_of_the_devkit_and_of_mmdet3d(yaw: float):
    row = np.array([3.0, 1.0, 20.0, 4.6, 1.7, 1.9, yaw])
    ours = projection.corners_of_yaw_box(row)
    devkit = (
        Box(row[:3], row[[5, 3, 4]], Quaternion(matrix=frames.rotation_from_yaw(row[6])))
        .corners()
        .T
    )
    mmdet3d = CameraInstance3DBoxes(row[None], box_dim=7, origin=(0.5, 0.5, 0.5)).corners[0].numpy()
    assert same_points(ours, devkit)
    assert same_points(ours, mmdet3d)


INTRINSIC = np.array([[1000.0, 0.0, 800.0], [0.0, 1000.0, 450.0], [0.0, 0.0, 1.0]])


def cube(x: float, z: float, side: float = 2.0) -> np.ndarray:
    return projection.corners_of_yaw_box(np.array([x, 0.0, z, side, side, side, 0.0]))


def test_a_box_inside_the_image_is_bounded_by_its_corners_and_not_truncated():
    corners = cube(1.0, 20.0)
    pixels = projection.project(corners, INTRINSIC)
    np.testing.assert_allclose(
        projection.box_in_image(corners, INTRINSIC, 1600, 900), projection.bounds(pixels)
    )
    assert projection.truncation(corners, INTRINSIC, 1600, 900) == 0


def test_truncation_is_the_share_of_the_rectangle_outside():
    corners = cube(0.0, 20.0)
    left, _, right, _ = projection.bounds(projection.project(corners, INTRINSIC))
    quarter = left + (right - left) / 4
    assert projection.truncation(corners, INTRINSIC, quarter, 900) == pytest.approx(0.75)


def test_a_box_behind_the_camera_is_not_in_the_image():
    assert projection.box_in_image(cube(0.0, -20.0), INTRINSIC, 1600, 900) is None
    assert projection.truncation(cube(0.0, -20.0), INTRINSIC, 1600, 900) == 1


def test_a_box_beside_the_image_is_not_in_it():
    assert projection.box_in_image(cube(40.0, 20.0), INTRINSIC, 1600, 900) is None


def test_what_lies_before_the_near_plane_is_cut_even_in_front_of_the_camera():
    outline = projection.visible_outline(cube(0.0, 1.05))  # from z = 0.05 to 2.05
    assert outline[:, 2].min() == pytest.approx(projection.NEAR_PLANE)
    assert np.abs(outline[:, :2]).max() == pytest.approx(1.0)


def test_edges_of_a_box_around_the_camera_are_cut_at_the_near_plane():
    corners = cube(1.2, 0.5)
    outline = projection.visible_outline(corners)
    assert outline[:, 2].min() == pytest.approx(projection.NEAR_PLANE)
    # Four edges run along z through the plane, and the four corners in front stay.
    assert len(outline) == 8
    rectangle = projection.box_in_image(corners, INTRINSIC, 1600, 900)
    assert rectangle[2] == 1600  # it reaches past the right border
    assert 0 < projection.truncation(corners, INTRINSIC, 1600, 900) < 1
