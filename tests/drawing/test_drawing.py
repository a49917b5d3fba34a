"""Pictures keep to the geometry: a projected centre lies inside its box, far is up, right is
right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.detection.boxes import corners
from epropnp_det.drawing import background
from epropnp_det.drawing.background import BACKGROUNDS
from epropnp_det.drawing.birdseye import covariance_ellipse, draw_birdseye
from epropnp_det.drawing.boxes import draw_boxes
from epropnp_det.drawing.heading_rose import draw_yaw_density
from epropnp_det.drawing.layout import side_by_side
from epropnp_det.drawing.lines import clip_to
from epropnp_det.drawing.reliability import draw_reliability
from epropnp_det.drawing.wireframe import EDGES, FOOTPRINT, FRONT, NEAR, project_segments
from tests.tolerances import EXACT

MATRIX = np.array([[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]])
IMAGE = np.full((900, 1600, 3), 90, dtype=np.uint8)


@dataclass(frozen=True)
class Boxes:
    """Arrays of n boxes."""

    pose: np.ndarray
    size: np.ndarray
    label: np.ndarray
    velocity: np.ndarray | None = None
    covariance: np.ndarray | None = None
    sample_pose: np.ndarray | None = None
    sample_weight: np.ndarray | None = None

    @property
    def corners(self) -> np.ndarray:
        return corners(torch.from_numpy(self.pose), torch.from_numpy(self.size)).numpy()


def boxes_ahead(count: int, seed: int = 0) -> Boxes:
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
    return Boxes(
        pose=pose,
        size=rng.uniform(0.4, 5, (count, 3)),
        label=rng.integers(0, 10, count),
        velocity=rng.normal(0, 4, (count, 2)),
        covariance=factor @ factor.swapaxes(1, 2) * 0.1,
    )


def one_box(pose: list[float], size: tuple[float, float, float] = (4.0, 1.5, 2.0)) -> Boxes:
    return Boxes(np.array([pose]), np.array([size]), np.array([0]))


def empty() -> Boxes:
    return boxes_ahead(0)


def on_image(boxes: Boxes, **settings) -> np.ndarray:
    return draw_boxes(IMAGE, MATRIX, boxes.corners, boxes.label, **settings)


def from_above(boxes: Boxes, **settings) -> np.ndarray:
    return draw_birdseye(
        boxes.corners,
        boxes.label,
        velocity=boxes.velocity,
        covariance=boxes.covariance,
        sample_pose=boxes.sample_pose,
        sample_weight=boxes.sample_weight,
        **settings,
    )


def changed_pixels(picture: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """(n, 2) row, column."""
    return np.argwhere((picture != ground).any(axis=2))


def test_the_front_face_is_where_the_box_is_heading() -> None:
    box = one_box([0.0, 0.0, 10.0, np.pi / 2]).corners[0]  # heading towards the camera
    np.testing.assert_allclose(box[list(FRONT)].mean(axis=0), [0.0, 0.0, 8.0], atol=EXACT)


def test_edges_have_the_lengths_of_the_box_and_the_footprint_is_the_upper_face() -> None:
    size = np.array([4.0, 1.5, 2.0])
    box = one_box([3.0, 1.0, 10.0, 0.4], tuple(size)).corners[0]
    lengths = np.linalg.norm(np.diff(box[EDGES], axis=1)[:, 0], axis=1)
    np.testing.assert_allclose(np.sort(lengths), np.sort(np.repeat(size, 4)), rtol=EXACT)
    outline = box[list(FOOTPRINT)]
    np.testing.assert_allclose(outline[:, 1], 1.0 - size[1] / 2, rtol=EXACT)  # y points down
    sides = np.linalg.norm(outline - np.roll(outline, -1, axis=0), axis=1)
    np.testing.assert_allclose(sides, [size[2], size[0], size[2], size[0]], rtol=EXACT)


def test_projected_centre_lies_inside_the_outline() -> None:
    boxes = boxes_ahead(50)
    rays = boxes.corners @ MATRIX.T
    outlines = (rays[..., :2] / rays[..., 2:]).astype(np.float32)
    centers = boxes.pose[:, :3] @ MATRIX.T
    for outline, center in zip(outlines, centers[:, :2] / centers[:, 2:]):
        assert cv2.pointPolygonTest(cv2.convexHull(outline), tuple(map(float, center)), False) > 0


def test_drawing_stays_inside_the_outline() -> None:
    boxes = boxes_ahead(1, seed=3)
    rays = boxes.corners[0] @ MATRIX.T
    pixels = rays[:, :2] / rays[:, 2:]
    changed = changed_pixels(on_image(boxes), IMAGE)
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
        found = clip_to(segment[None], (80, 100, 3))
        assert len(found) <= 1
        if len(inside) > 1:
            np.testing.assert_allclose(
                found[0], [inside[0], inside[-1]], atol=np.abs(segment[1] - segment[0]).max() / 2000
            )


@pytest.mark.parametrize("pose", [[3.0, 1.0, -9.0, 0.0], [1e6, 0.0, 1.0, 0.0]])
def test_boxes_behind_the_camera_and_beside_the_image_leave_no_pixel(pose: list[float]) -> None:
    assert np.array_equal(on_image(one_box(pose), captions=["car"]), IMAGE)


@pytest.mark.parametrize(
    "pose", [[0.3, 0.2, 1.0, 0.3], [0.1, 0.5, 1.0, 0.0], [-1.5, 1.0, 2.0, 1.2]]
)
def test_edges_through_the_near_plane_are_drawn_where_their_visible_points_project(
    pose: list[float],
) -> None:
    box = one_box(pose)
    start, end = box.corners[0][EDGES].swapaxes(0, 1)
    share = np.linspace(0, 1, 20001)[:, None, None]
    points = (start + share * (end - start)).reshape(-1, 3)
    assert (points[:, 2] < NEAR).any()  # the box reaches behind the near plane
    rays = points[points[:, 2] > NEAR] @ MATRIX.T
    pixels = rays[:, :2] / rays[:, 2:]
    on_edge = np.full(IMAGE.shape[:2], 255, np.uint8)
    column, row = pixels[((pixels >= 0) & (pixels < (1600, 900))).all(axis=1)].astype(int).T
    on_edge[row, column] = 0
    distance = cv2.distanceTransform(on_edge, cv2.DIST_L2, 5)
    changed = changed_pixels(on_image(box, dashed=True), IMAGE)
    assert len(changed) > 100
    assert distance[tuple(changed.T)].max() < 4  # px, half a line with its rim


@pytest.mark.parametrize("dashed", [False, True])
def test_draw_boxes_returns_a_new_picture(dashed: bool) -> None:
    boxes = boxes_ahead(5)
    ground = IMAGE.copy()
    picture = draw_boxes(ground, MATRIX, boxes.corners, boxes.label, dashed=dashed)
    assert picture.shape == ground.shape and picture.dtype == np.uint8
    assert np.array_equal(ground, IMAGE)
    assert not np.array_equal(picture, ground)


def test_a_caption_is_a_plate_in_the_colour_of_the_class_above_the_box() -> None:
    box = one_box([0.0, 1.0, 20.0, 0.3])
    plain = on_image(box)
    changed = changed_pixels(on_image(box, captions=["car 0.87"]), plain)
    rays = box.corners[0] @ MATRIX.T
    assert changed[:, 0].max() <= (rays[:, 1] / rays[:, 2]).min() + 1
    assert np.ptp(changed[:, 1]) > 2 * np.ptp(changed[:, 0]) > 0


def test_the_nearer_box_is_drawn_over_the_farther_one() -> None:
    near = one_box([0.0, 1.0, 10.0, 0.3])
    far = one_box([0.0, 1.0, 14.0, 0.3])
    both = np.concatenate([near.corners, far.corners])
    orders = [
        draw_boxes(IMAGE, MATRIX, both[order], np.array([0, 0])) for order in ([0, 1], [1, 0])
    ]
    assert np.array_equal(*orders)


def test_no_boxes_leave_the_picture_as_it_is() -> None:
    assert np.array_equal(on_image(empty()), IMAGE)


def test_dashes_cover_about_half_of_a_line() -> None:
    boxes = boxes_ahead(1, seed=1)
    solid, dashed = (
        len(changed_pixels(on_image(boxes, dashed=dashed), IMAGE)) for dashed in (False, True)
    )
    assert 0.2 * solid < dashed < 0.8 * solid


def test_birdseye_far_is_up_and_right_is_right_in_the_same_scale() -> None:
    ground = from_above(empty(), height=500)
    near, far, right = (
        changed_pixels(from_above(one_box([x, 1.0, z, 0.4]), height=500), ground).mean(axis=0)
        for x, z in ((0.0, 15.0), (0.0, 45.0), (10.0, 15.0))
    )
    assert abs(far[1] - near[1]) < 1 and abs(right[0] - near[0]) < 1
    pixels_per_metre = (near[0] - far[0]) / 30
    assert pixels_per_metre > 4
    assert (right[1] - near[1]) / 10 == pytest.approx(pixels_per_metre, rel=0.03)


def test_birdseye_leaves_out_unknown_velocities_and_covariances() -> None:
    boxes = replace(boxes_ahead(3), velocity=None, covariance=None)
    unknown = replace(
        boxes, velocity=np.full((3, 2), np.nan), covariance=np.full((3, 4, 4), np.nan)
    )
    assert np.array_equal(from_above(unknown, height=400), from_above(boxes, height=400))
    known = replace(boxes, velocity=np.full((3, 2), 4.0))
    assert not np.array_equal(from_above(known, height=400), from_above(boxes, height=400))


def test_birdseye_draws_ground_truth_at_its_place_and_in_grey() -> None:
    box = one_box([4.0, 1.0, 20.0, 0.3])
    ground = from_above(empty(), height=500)
    truth = from_above(empty(), true_corners=box.corners, height=500)
    places = [
        changed_pixels(each, ground).mean(axis=0) for each in (truth, from_above(box, height=500))
    ]
    assert np.abs(places[0] - places[1]).max() < 2
    drawn = truth[tuple(changed_pixels(truth, ground).T)].astype(int)
    assert np.ptp(drawn, axis=1).max() == 0


def test_birdseye_shades_half_as_much_with_twice_the_focal_length() -> None:
    longer = MATRIX * [[2.0], [2.0], [1.0]] - [[0, 0, 816.0], [0, 0, 491.0], [0, 0, 0]]
    ground = from_above(empty(), height=500, reach=20.0)
    wide, narrow = (
        len(
            changed_pixels(
                from_above(empty(), matrix=matrix, width=1600, height=500, reach=20.0), ground
            )
        )
        for matrix in (MATRIX, longer)
    )
    # The wide view leaves the picture at its sides, so it shows a little less than twice as much.
    assert 1.5 < wide / narrow < 2.1


def with_samples(boxes: Boxes, pose: np.ndarray) -> Boxes:
    """The boxes with the same samples (S, 4) for each."""
    count = len(boxes.label)
    weight = np.full((count, len(pose)), 1 / len(pose))
    return replace(
        boxes,
        sample_pose=np.broadcast_to(pose, (count, *pose.shape)),
        sample_weight=weight,
    )


def test_birdseye_shows_samples_where_they_are() -> None:
    box = one_box([0.0, 1.0, 20.0, 0.3])
    elsewhere = (
        np.array([[8.0, 1.0, 40.0, 0.0]]) + np.random.default_rng(0).normal(size=(64, 4)) * 0.2
    )
    changed = changed_pixels(
        from_above(with_samples(box, elsewhere), height=500), from_above(box, height=500)
    )
    marker = one_box([8.0, 1.0, 40.0, 0.0], (1.0, 1.0, 1.0))
    expected = changed_pixels(from_above(marker, height=500), from_above(empty(), height=500))
    assert np.abs(changed.mean(axis=0) - expected.mean(axis=0)).max() < 8


def test_birdseye_draws_no_distribution_that_broke_down() -> None:
    box = one_box([0.0, 1.0, 20.0, 0.3])
    broken = replace(with_samples(box, np.zeros((8, 4))), sample_weight=np.full((1, 8), np.nan))
    assert np.array_equal(from_above(broken, height=400), from_above(box, height=400))


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
    # The curve of overconfident distributions is below the diagonal.
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
