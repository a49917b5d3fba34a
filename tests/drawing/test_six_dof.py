"""Pictures of 6DoF poses keep to the geometry: axes end where they project, outlines follow the
silhouette, directions lie on their place of the map.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from epropnp_det.drawing.maps import draw_coordinates, draw_weights
from epropnp_det.drawing.orientation_map import draw_orientation_density, from_hammer, hammer
from epropnp_det.drawing.palette import AXIS_RGB
from epropnp_det.drawing.silhouette import draw_axes, draw_outline
from tests.tolerances import EXACT

MATRIX = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
IMAGE = np.full((480, 640, 3), 90, np.uint8)
CUBE = Rotation.from_euler("xyz", (20, 30, 40), degrees=True).as_matrix()


def directions(count: int) -> np.ndarray:
    normal = np.random.default_rng(0).normal(size=(count, 3))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def color_at(picture: np.ndarray, place: np.ndarray) -> np.ndarray:
    x, y = np.floor(place).astype(int)
    return picture[y, x, ::-1].astype(int)


def test_axes_go_from_the_origin_to_their_tips():
    place = np.array([[0.05, -0.02, 0.6]])
    picture = draw_axes(IMAGE, MATRIX, CUBE[None], place, 0.1)
    assert (IMAGE == 90).all()
    for axis, color in enumerate(AXIS_RGB):
        point = MATRIX @ (place[0] + 0.07 * CUBE[:, axis])
        assert np.abs(color_at(picture, point[:2] / point[2]) - color).max() < 60


def test_axes_behind_the_camera_are_left_out():
    behind = np.array([[0.0, 0.0, -1.0]])
    assert (draw_axes(IMAGE, MATRIX, CUBE[None], behind, 0.1) == IMAGE).all()


def test_no_opacity_draws_nothing():
    place = np.array([[0.0, 0.0, 0.6]])
    assert (draw_axes(IMAGE, MATRIX, CUBE[None], place, 0.1, opacity=0.0) == IMAGE).all()


def test_the_outline_follows_the_border_and_the_holes_of_a_silhouette():
    mask = np.zeros((480, 640), bool)
    mask[100:300, 200:400] = True
    mask[180:220, 280:320] = False
    picture = draw_outline(IMAGE, mask, (0, 0, 255))
    changed = (picture != IMAGE).any(axis=-1)
    for row, column in ((100, 300), (200, 200), (299, 300), (200, 399), (179, 300), (200, 279)):
        assert picture[row, column].tolist() == [0, 0, 255]
    assert not changed[150:170, 220:260].any() and not changed[195:205, 295:305].any()
    assert not changed[:90].any()


def test_an_empty_silhouette_has_no_outline():
    mask = np.zeros((480, 640), bool)
    assert (draw_outline(IMAGE, mask, (0, 0, 255)) == IMAGE).all()


def test_hammer_map_there_and_back():
    given = directions(1000)
    assert np.abs(from_hammer(hammer(given)) - given).max() < EXACT


def test_hammer_map_keeps_areas():
    """Sides of small triangles on the sphere and on the map span the same area."""
    given = directions(200)
    given = given[given[:, 2] > -0.9]
    step = 1e-5
    first = np.cross(given, (0.3, 0.5, 0.8))
    second = np.cross(given, first)
    sides = [
        (hammer(given + step * side) - hammer(given - step * side)) / (2 * step)
        for side in (first, second)
    ]
    # The steps leave the sphere by second order only; the map reads directions of unit length.
    mapped = sides[0][0] * sides[1][1] - sides[0][1] * sides[1][0]
    real = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    assert np.abs(np.abs(mapped) / real - 1).max() < 1e-5


def test_outside_of_the_map_is_no_direction():
    assert np.isnan(from_hammer(np.array([2.8, 1.3]))).all()


def test_main_directions_of_the_map():
    x, y = hammer(np.array([(0, 0, 1), (1, 0, 0), (0, -1, 0)], dtype=float))
    assert np.abs(np.array([x[0], y[0], y[1], x[2]])).max() < EXACT
    assert x[1] > 0 and y[2] > 0


@pytest.mark.parametrize("seed", [0, 1])
def test_the_density_of_each_axis_is_where_it_points(seed: int):
    rng = np.random.default_rng(seed)
    best = Rotation.random(random_state=seed)
    turned = Rotation.from_rotvec(0.05 * rng.normal(size=(256, 3))) * best
    height = 300
    picture = draw_orientation_density(
        turned.as_matrix(), np.ones(256), best.as_matrix(), height=height
    )
    assert picture.shape == (height, 2 * height, 3)
    # Half a height up is 1.03 sqrt(2) of the map, less the margin of the axes.
    scale = 0.98 * height / (2 * 1.03 * np.sqrt(2))
    for axis, color in enumerate(AXIS_RGB):
        x, y = hammer(best.as_matrix()[:, axis])
        shown = color_at(picture, np.array([height + scale * x, height / 2 - scale * y]))
        assert np.abs(shown - color).max() < 40


def test_coordinates_are_colours_and_little_weight_is_white():
    noc = np.zeros((3, 2, 2))
    noc[:, 0, 0] = (1, -1, -1)
    weight = np.array([[1.0, 1.0], [0.0, 1.0]])
    picture = draw_coordinates(noc, weight, 4)
    assert picture[0, 0, ::-1].tolist() == [255, 0, 0]
    assert picture[3, 0].tolist() == [255, 255, 255] and picture[3, 3].tolist() == [128] * 3


def test_broken_coordinates_and_weights_are_drawn():
    noc = np.full((3, 2, 2), np.nan)
    assert draw_coordinates(noc, np.full((2, 2), np.nan), 4).shape == (4, 4, 3)


def test_larger_weights_are_brighter():
    picture = draw_weights(np.array([[0.0, 0.1], [0.4, 1.0]]), 2).sum(axis=-1)
    assert picture[0, 0] < picture[0, 1] < picture[1, 0] < picture[1, 1]
