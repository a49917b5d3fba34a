"""Lenses with distortion, and pictures drawn without it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from epropnp_det.detection.data.image_view import ImageView, seen_share
from epropnp_det.engine.lens import Lens
from tests.tolerances import CENTROID, EXACT, LENS_PIXEL

MATRIX = np.array([[420.0, 0.0, 318.7], [0.0, 421.0, 241.2], [0.0, 0.0, 1.0]])
SIZE = (640, 480)
LENSES = {
    "pinhole": Lens(MATRIX),
    "barrel": Lens(MATRIX, (-0.25, 0.08, 0.001, -0.0005, -0.01)),
    "pincushion": Lens(MATRIX, (0.12, -0.02, 0.0, 0.0, 0.0)),
    "fisheye": Lens(MATRIX, (-0.01, 0.02, -0.004, 0.0005)),
}


def test_zero_coefficients_are_a_pinhole():
    assert Lens(MATRIX, (0.0,) * 5).is_pinhole
    # A fisheye without coefficients is equidistant.
    assert not Lens(MATRIX, (0.0,) * 4).is_pinhole


def test_other_numbers_of_coefficients_are_refused():
    with pytest.raises(ValueError, match="5 coefficients"):
        Lens(MATRIX, (0.1, 0.2))


@pytest.mark.parametrize("name", LENSES)
def test_rays_project_to_their_pixels(name: str):
    pixels = np.random.default_rng(0).uniform((0, 0), SIZE, (200, 2))
    rays = LENSES[name].rays(pixels)
    assert np.isfinite(rays).all()
    np.testing.assert_allclose(LENSES[name].project(rays), pixels, atol=LENS_PIXEL)


def test_a_pixel_that_no_direction_is_seen_at_has_no_ray():
    folding = Lens(MATRIX, (-0.6, 0.0, 0.0, 0.0, 0.0))
    rays = folding.rays(np.array([[0.0, 0.0], [318.7, 241.2]]))
    assert np.isnan(rays[0]).all() and np.isfinite(rays[1]).all()


@pytest.mark.parametrize("name", LENSES)
def test_a_spot_is_drawn_where_its_direction_projects(name: str):
    """Through the lens, then drawn for a turned pinhole of another focal length."""
    lens = LENSES[name]
    turn = cv2.Rodrigues(np.array([0.05, -0.08, 0.03]))[0]
    target = np.array([[300.0, 0.0, 210.0], [0.0, 300.0, 150.0], [0.0, 0.0, 1.0]]) @ turn
    for direction in ([0.2, 0.1, 1.0], [-0.4, -0.3, 1.0]):
        pixel = lens.project(np.array([direction]))[0]
        x = np.arange(SIZE[0]) + 0.5
        y = np.arange(SIZE[1]) + 0.5
        spot = np.exp(-((x - pixel[0]) ** 2 + (y[:, None] - pixel[1]) ** 2) / (2 * 4.0**2))
        view = ImageView(spot[..., None].repeat(3, 2), lens, target, (420, 300), (0.0, 0.0, 0.0))
        drawn = view.render()[..., 0]
        expected = target @ direction
        found = np.array(
            [drawn.sum(0) @ (np.arange(420) + 0.5), drawn.sum(1) @ (np.arange(300) + 0.5)]
        )
        # A lens that bends straight lines bends the spot too.
        tolerance = CENTROID if lens.is_pinhole else 5 * CENTROID
        np.testing.assert_allclose(found / drawn.sum(), expected[:2] / expected[2], atol=tolerance)


@pytest.mark.parametrize("name", LENSES)
def test_the_covered_region_is_what_is_drawn(name: str):
    white = np.ones((SIZE[1], SIZE[0], 3), np.float32)
    view = ImageView(white, LENSES[name], 0.4 * MATRIX, (260, 200), (0.0, 0.0, 0.0))
    view = replace(view, target=np.diag([1.0, 1.0, 2.5]) @ view.target)
    drawn = view.render()[..., 0] > 0.5
    assert drawn.mean() == pytest.approx(view.covered().area / (260 * 200), abs=0.01)


def test_the_seen_share_counts_pixels_of_the_picture():
    whole = seen_share(LENSES["barrel"], SIZE, MATRIX, SIZE)
    assert 0.5 < whole <= 1
    half = seen_share(Lens(MATRIX), SIZE, MATRIX, (320, 480))
    assert half == pytest.approx(0.5, abs=EXACT)
