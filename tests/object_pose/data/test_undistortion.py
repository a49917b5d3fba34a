"""Images and boxes without distortion show the world as the pinhole does."""

from __future__ import annotations

import numpy as np
import pytest

from epropnp_det.engine.lens import Lens
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.undistortion import undistorted_boxes, undistorted_image
from epropnp_det.object_pose.rigid_pose import project
from tests import tolerances

MATRIX = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
LENSES = {
    "OpenCV": Lens(MATRIX, (-0.2, 0.05, 0.001, -0.002, 0.0)),
    "fisheye": Lens(MATRIX, (0.05, -0.01, 0.0, 0.0)),
}


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_a_spot_lies_where_the_pinhole_projects_it(lens: Lens):
    y, x = np.mgrid[:480, :640] + 0.5
    for ray in np.array([(0.3, 0.2, 1.0), (-0.4, 0.1, 1.0), (0.0, -0.3, 1.0)]):
        (center,) = lens.project(ray[None])
        spot = 250 * np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / 50)
        image = np.repeat(spot[..., None], 3, axis=2).astype(np.uint8)
        shown = undistorted_image(image, lens)[..., 0].astype(float)
        found = np.array([(shown * x).sum(), (shown * y).sum()]) / shown.sum()
        expected = project(ray[None], MATRIX)[0]
        assert np.abs(found - expected).max() < tolerances.UNDISTORTED_CENTROID


@pytest.mark.parametrize("lens", LENSES.values(), ids=LENSES)
def test_boxes_hold_the_same_directions(lens: Lens):
    boxes = np.array([(100.0, 80.0, 120.0, 60.0), (400.0, 300.0, 90.0, 130.0)])
    for box, found in zip(boxes, undistorted_boxes(boxes, lens)):
        inside = box[:2] + box[2:] * np.random.default_rng(0).random((200, 2))
        pixels = project(lens.rays(inside), MATRIX)
        assert (pixels >= found[:2] - tolerances.UNDISTORTED_BORDER).all()
        assert (pixels <= found[:2] + found[2:] + tolerances.UNDISTORTED_BORDER).all()
        # Random points come near to every side.
        assert np.ptp(pixels, axis=0) == pytest.approx(found[2:], rel=0.1)


def test_a_box_of_a_pinhole_stays():
    boxes = np.array([(100.0, 80.0, 120.0, 60.0)])
    assert np.abs(undistorted_boxes(boxes, Lens(MATRIX)) - boxes).max() < tolerances.EXACT


def test_a_box_where_the_lens_shows_nothing_is_one_line():
    lens = Lens(MATRIX, (-2.0, 0.0, 0.0, 0.0, 0.0))
    with pytest.raises(UserError, match="shows no direction at the box"):
        undistorted_boxes(np.array([(0.0, 0.0, 2.0, 2.0)]), lens)
