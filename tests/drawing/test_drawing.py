"""Pictures keep to the geometry: a projected centre lies inside its box, far is up, right is
right.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.drawing import background
from epropnp_det.drawing.background import BACKGROUNDS
from epropnp_det.drawing.birdseye import covariance_ellipse, draw_birdseye
from epropnp_det.drawing.boxes import DrawnBoxes, _clip_to, draw_boxes
from epropnp_det.drawing.heading_rose import draw_yaw_density
from epropnp_det.drawing.layout import side_by_side
from epropnp_det.drawing.reliability import draw_reliability
from epropnp_det.drawing.wireframe import NEAR, box_corners, project_segments
from tests.tolerances import EXACT, EXACT_FLOAT32

MATRIX = np.array([[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]])
IMAGE = np.full((900, 1600, 3), 90, dtype=np.uint8)


def boxes_ahead(count: int, seed: int = 0) -> DrawnBoxes:
    rng = np.random.default_rng(seed)
    z = rng.uniform(8, 50, count)
    pose = np.stack(
        [
            rng.uniform(-0.3, 0.3, count) * z,
            rng.uniform(-0.1, 0.1, count) * z,
            z,
            rng.uniform(-np.pi, np.pi, count),
        ],
        axis=1,
    )
    factor = rng.normal(size=(count, 4, 4))
    return DrawnBoxes(
        pose=pose,
        size=rng.uniform(0.4, 5, (count, 3)),
        label=rng.integers(0, 10, count),
        score=rng.uniform(0, 1, count),
        velocity=rng.normal(0, 4, (count, 2)),
        covariance=factor @ factor.swapaxes(1, 2) * 0.1,
    )


def empty() -> DrawnBoxes:
    return boxes_ahead(0)


def changed_pixels(picture: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(n, 2) row, column."""
    return np.argwhere((picture != ground).any(axis=2))


def test_corners_without_turn_lie_along_the_axes() -> None:
    corners = box_corners(np.array([1.0, 2.0, 3.0, 0.0]), np.array([4.0, 1.0, 2.0]))
    np.testing.assert_allclose(corners.min(axis=0), [-1.0, 1.5, 2.0], atol=EXACT)
    np.testing.assert_allclose(corners.max(axis=0), [3.0, 2.5, 4.0], atol=EXACT)
    np.testing.assert_allclose(corners[:4, 0], 3.0, atol=EXACT)  # the front


def test_positive_yaw_turns_the_heading_from_x_away_from_z() -> None:
    corners = box_corners(np.array([0.0, 0.0, 10.0, np.pi / 2]), np.array([4.0, 1.0, 2.0]))
    np.testing.assert_allclose(corners[:4].mean(axis=0), [0.0, 0.0, 8.0], atol=EXACT)


def test_corners_are_those_of_mmdet3d() -> None:
    from mmdet3d.core.bbox import CameraInstance3DBoxes

    boxes = boxes_ahead(20)
    values = np.concatenate([boxes.pose[:, :3], boxes.size, boxes.pose[:, 3:]], axis=1)
    theirs = CameraInstance3DBoxes(values, origin=(0.5, 0.5, 0.5)).corners.numpy()
    ours = box_corners(boxes.pose, boxes.size)
    distance = np.linalg.norm(ours[:, :, None] - theirs[:, None], axis=-1)
    assert distance.min(axis=1).max() < EXACT_FLOAT32  # theirs are float32
    assert distance.min(axis=2).max() < EXACT_FLOAT32


def test_corners_take_any_leading_dimensions() -> None:
    boxes = boxes_ahead(6)
    stacked = box_corners(boxes.pose.reshape(2, 3, 4), boxes.size.reshape(2, 3, 3))
    np.testing.assert_array_equal(stacked.reshape(6, 8, 3), box_corners(boxes.pose, boxes.size))


def test_projected_centre_lies_inside_the_outline() -> None:
    boxes = boxes_ahead(50)
    corners = box_corners(boxes.pose, boxes.size) @ MATRIX.T
    outlines = (corners[..., :2] / corners[..., 2:]).astype(np.float32)
    centers = boxes.pose[:, :3] @ MATRIX.T
    for outline, center in zip(outlines, centers[:, :2] / centers[:, 2:]):
        assert cv2.pointPolygonTest(cv2.convexHull(outline), tuple(map(float, center)), False) > 0


def test_drawing_stays_inside_the_outline() -> None:
    boxes = boxes_ahead(1, seed=3)
    corners = box_corners(boxes.pose, boxes.size)[0] @ MATRIX.T
    pixels = corners[:, :2] / corners[:, 2:]
    changed = changed_pixels(draw_boxes(IMAGE, MATRIX, boxes), IMAGE)
    assert len(changed) > 50
    margin = 4  # px, half a line with its rim and anti-aliasing
    assert (changed[:, ::-1] >= pixels.min(axis=0) - margin).all()
    assert (changed[:, ::-1] <= pixels.max(axis=0) + margin).all()


def test_segments_are_cut_at_the_near_plane() -> None:
    behind = np.array([[0.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
    crossing = np.array([[1.0, 1.0, -1.0], [1.0, 1.0, 5.0]])
    ahead = np.array([[0.0, 0.0, 2.0], [1.0, 0.0, 4.0]])
    found = project_segments(np.stack([behind, crossing, ahead]), MATRIX)
    assert found.shape == (2, 2, 2)
    np.testing.assert_allclose(
        found[0, 0], MATRIX[:2, :2] @ [1 / NEAR, 1 / NEAR] + MATRIX[:2, 2], rtol=EXACT
    )
    np.testing.assert_allclose(found[1], [[816.0, 491.0], [816.0 + 1266.0 / 4, 491.0]], rtol=EXACT)


def test_clipping_keeps_exactly_what_lies_inside() -> None:
    rng = np.random.default_rng(0)
    segments = rng.uniform(-60, 160, (300, 2, 2))
    for segment in segments:
        line = segment[0] + np.linspace(0, 1, 2001)[:, None] * (segment[1] - segment[0])
        inside = line[((line >= 0) & (line <= (100, 80))).all(axis=1)]
        found = _clip_to(segment[None], (80, 100, 3))
        assert len(found) <= 1
        if len(inside) > 1:
            np.testing.assert_allclose(
                found[0], [inside[0], inside[-1]], atol=np.abs(segment[1] - segment[0]).max() / 2000
            )


@pytest.mark.parametrize(
    "pose",
    [[0.0, 0.0, 0.0, 0.3], [0.0, 0.0, 1.0, 0.0], [3.0, 1.0, -9.0, 0.0], [1e6, 0.0, 1.0, 0.0]],
)
def test_boxes_around_and_behind_the_camera_can_be_drawn(pose: list[float]) -> None:
    boxes = DrawnBoxes(
        np.array([pose]), np.array([[4.0, 1.5, 2.0]]), np.array([0]), np.array([0.5])
    )
    assert draw_boxes(IMAGE, MATRIX, boxes, names=CLASSES).shape == IMAGE.shape
    assert draw_birdseye(boxes, height=300).shape == (300, 240, 3)


@pytest.mark.parametrize("dashed", [False, True])
def test_draw_boxes_returns_a_new_picture(dashed: bool) -> None:
    ground = IMAGE.copy()
    picture = draw_boxes(ground, MATRIX, boxes_ahead(5), dashed=dashed, names=CLASSES)
    assert picture.shape == ground.shape and picture.dtype == np.uint8
    assert np.array_equal(ground, IMAGE)
    assert not np.array_equal(picture, ground)


def test_no_boxes_leave_the_picture_as_it_is() -> None:
    assert np.array_equal(draw_boxes(IMAGE, MATRIX, empty(), names=CLASSES), IMAGE)


def test_dashes_cover_about_half_of_a_line() -> None:
    boxes = boxes_ahead(1, seed=1)
    solid, dashed = (
        len(changed_pixels(draw_boxes(IMAGE, MATRIX, boxes, dashed=dashed), IMAGE))
        for dashed in (False, True)
    )
    assert 0.2 * solid < dashed < 0.8 * solid


def test_birdseye_far_is_up_and_right_is_right() -> None:
    ground = draw_birdseye(empty(), height=500)
    size, label = np.array([[4.0, 1.5, 2.0]]), np.array([0])
    near, far, right = (
        changed_pixels(
            draw_birdseye(DrawnBoxes(np.array([[x, 1.0, z, 0.4]]), size, label), height=500), ground
        ).mean(axis=0)
        for x, z in ((0.0, 15.0), (0.0, 45.0), (10.0, 15.0))
    )
    assert far[0] < near[0] - 100 and abs(far[1] - near[1]) < 2
    assert right[1] > near[1] + 50 and abs(right[0] - near[0]) < 2


def test_birdseye_of_nothing_and_of_unknowns() -> None:
    boxes = boxes_ahead(3)
    unknown = DrawnBoxes(
        boxes.pose,
        boxes.size,
        boxes.label,
        None,
        np.full((3, 2), np.nan),
        np.full((3, 4, 4), np.nan),
    )
    for shown in (empty(), boxes, unknown):
        picture = draw_birdseye(shown, boxes, matrix=MATRIX, width=1600, height=400)
        assert picture.shape == (400, 320, 3) and picture.dtype == np.uint8


def with_samples(boxes: DrawnBoxes, pose: np.ndarray) -> DrawnBoxes:
    """The boxes with the same samples (S, 4) for each."""
    count = len(boxes)
    weight = np.full((count, len(pose)), 1 / len(pose))
    return DrawnBoxes(
        boxes.pose,
        boxes.size,
        boxes.label,
        sample_pose=np.broadcast_to(pose, (count, *pose.shape)),
        sample_weight=weight,
    )


def test_birdseye_shows_samples_where_they_are() -> None:
    box = DrawnBoxes(np.array([[0.0, 1.0, 20.0, 0.3]]), np.array([[4.0, 1.5, 2.0]]), np.array([0]))
    elsewhere = (
        np.array([[8.0, 1.0, 40.0, 0.0]]) + np.random.default_rng(0).normal(size=(64, 4)) * 0.2
    )
    changed = changed_pixels(
        draw_birdseye(with_samples(box, elsewhere), height=500), draw_birdseye(box, height=500)
    )
    marker = DrawnBoxes(
        np.array([[8.0, 1.0, 40.0, 0.0]]), np.array([[1.0, 1.0, 1.0]]), np.array([0])
    )
    expected = changed_pixels(draw_birdseye(marker, height=500), draw_birdseye(empty(), height=500))
    assert np.abs(changed.mean(axis=0) - expected.mean(axis=0)).max() < 8


def test_birdseye_draws_no_distribution_that_broke_down() -> None:
    box = DrawnBoxes(np.array([[0.0, 1.0, 20.0, 0.3]]), np.array([[4.0, 1.5, 2.0]]), np.array([0]))
    broken = replace(with_samples(box, np.zeros((8, 4))), sample_weight=np.full((1, 8), np.nan))
    assert np.array_equal(draw_birdseye(broken, height=400), draw_birdseye(box, height=400))


@pytest.mark.parametrize(
    "yaw, row, column", [(0.0, 0, 1), (-np.pi / 2, -1, 0), (np.pi / 2, 1, 0), (np.pi, 0, -1)]
)
def test_heading_density_points_as_the_birdseye_view_does(
    yaw: float, row: int, column: int
) -> None:
    samples = np.random.default_rng(0).vonmises(yaw, 30.0, 200)
    picture = draw_yaw_density(samples, np.ones(200), best=yaw, label=0).astype(int)
    coloured = np.argwhere(picture[..., 0] - picture[..., 2] > 40)  # the class colour is blue
    offset = coloured.mean(axis=0) - np.array(picture.shape[:2]) / 2
    assert offset @ (row, column) > 0.1 * len(picture)
    assert abs(offset @ (column, -row)) < 0.03 * len(picture)


def test_curve_of_calibrated_levels_keeps_to_the_diagonal() -> None:
    even, bold = np.linspace(0, 1, 400), np.linspace(0, 1, 400) ** 0.2
    pictures = [draw_reliability(dict(yaw=levels), "title") for levels in (even, bold)]
    assert pictures[0].shape == pictures[1].shape and pictures[0].dtype == np.uint8
    # The curve of distributions that are too sure runs below the diagonal.
    blue = [
        np.argwhere((p[:, : p.shape[1] // 2, 0].astype(int) - p[:, : p.shape[1] // 2, 2]) > 120)
        for p in pictures
    ]
    assert blue[1].mean(axis=0)[0] > blue[0].mean(axis=0)[0] + 20


def test_ellipse_holds_the_points_at_its_distance() -> None:
    factor = np.random.default_rng(2).normal(size=(4, 4))
    covariance = factor @ factor.T
    along, across, degrees = covariance_ellipse(covariance, sigmas=2.0)
    turn, angle = np.linspace(0, 2 * np.pi, 9), np.radians(degrees)
    x, z = along / 2 * np.cos(turn), across / 2 * np.sin(turn)
    points = np.stack(
        [np.cos(angle) * x - np.sin(angle) * z, np.sin(angle) * x + np.cos(angle) * z]
    )
    distance = np.einsum(
        "in,ij,jn->n", points, np.linalg.inv(covariance[np.ix_([0, 2], [0, 2])]), points
    )
    np.testing.assert_allclose(distance, 4.0, rtol=EXACT)
    assert along >= across


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_background_is_a_new_picture_of_the_same_form(kind: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    before = image.copy()
    picture = background(image, kind)
    assert picture.shape == image.shape and picture.dtype == image.dtype and picture is not image
    assert np.array_equal(image, before)
    assert np.array_equal(picture, image) == (kind == "image")


def test_blur_leaves_no_detail() -> None:
    stripes = np.zeros((900, 1600, 3), dtype=np.uint8)
    stripes[:, ::16] = stripes[:, 1::16] = stripes[:, 2::16] = stripes[:, 3::16] = (
        255  # as thin as the strokes of a number plate
    )
    assert background(stripes, "blur").astype(float).std() < 0.1 * stripes.astype(float).std()


def test_unknown_background() -> None:
    with pytest.raises(ValueError, match="image, blur, none"):
        background(IMAGE, "black")


def test_side_by_side_takes_the_first_height() -> None:
    joined = side_by_side(np.zeros((100, 50, 3), np.uint8), np.zeros((200, 80, 3), np.uint8))
    assert joined.shape == (100, 90, 3)
