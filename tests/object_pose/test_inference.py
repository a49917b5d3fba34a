"""Patches show what their geometry states, and an image gives poses in one call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmcv import Config

from epropnp_det.errors import UserError
from epropnp_det.object_pose.inference import ObjectsInImage, estimate_poses
from epropnp_det.object_pose.patches import PatchSettings, cut_patch
from tests.tolerances import CELL_CENTRE

from .small import MATRIX, OBJECTS, PATCH, small_estimator

BOXES = np.array(((200.0, 180.0, 41.0, 60.0), (-20.0, 30.0, 80.0, 50.0), (560.0, 400.0, 70.0, 90)))
RAW = dict(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), to_rgb=False)


def ramp(width: int = 640, height: int = 480) -> np.ndarray:
    """An image whose first two channels are x and y of their pixel's centre."""
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    return np.stack((x, y, np.ones_like(x)), axis=-1)


@pytest.mark.parametrize("box", BOXES, ids=str)
@pytest.mark.parametrize("size", [64, 128])
def test_pixels_of_a_patch_lie_where_its_geometry_puts_them(box: np.ndarray, size: int):
    patch, origin, side = cut_patch(ramp(), box, PatchSettings(size=size, **RAW))
    place = (torch.arange(size) + 0.5) * side / size
    expected = torch.stack((place + origin[0], place + origin[1]))
    x = expected[0].expand(size, size)
    y = expected[1][:, None].expand(size, size)
    shown = (x > 1) & (x < 639) & (y > 1) & (y < 479) & (patch[2] > 0.999)
    assert shown.float().mean() > 0.2
    # OpenCV interpolates with a resolution of 1/32 px.
    close = dict(rtol=0, atol=1 / 32 + CELL_CENTRE)
    torch.testing.assert_close(patch[0][shown], x[shown].float(), **close)
    torch.testing.assert_close(patch[1][shown], y[shown].float(), **close)


def test_released_patch_is_of_whole_pixels_and_half_a_pixel_apart():
    """Inside the image the two ways differ by rounding alone."""
    _, ours, side = cut_patch(ramp(), BOXES[0], PatchSettings(**RAW))
    _, theirs, whole = cut_patch(ramp(), BOXES[0], PatchSettings(released=True, **RAW))
    assert whole == int(side) and np.abs(theirs - ours).max() <= 1.0


def test_channels_and_normalisation():
    settings = PatchSettings(mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    got = settings.normalize(np.full((4, 4, 3), (10, 20, 30), np.uint8))
    assert got[:, 0, 0].tolist() == [(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 8]


def test_image_to_poses():
    model = small_estimator().eval()
    model.cfg = Config(dict(patch=dict(size=PATCH)))
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    extents = np.full((3, 3), 0.05)
    objects = ObjectsInImage(image, np.array(MATRIX), BOXES, extents, range(OBJECTS))
    first = estimate_poses(model, objects, mc_samples=64)
    again = estimate_poses(model, objects, mc_samples=64)
    assert first.pose.shape == (3, 7) and first.sample_pose.shape == (3, 64, 7)
    assert torch.equal(first.sample_pose, again.sample_pose)


@pytest.mark.parametrize(
    "boxes, message",
    [
        (np.zeros((0, 4)), "no boxes"),
        (np.array([(10, 10, 0, 5)]), "box 0 (10, 10, 0, 5) shows nothing"),
        (np.array([(10, 10, 5, 5), (640, 10, 5, 5)]), "box 1 (640, 10, 5, 5) shows nothing"),
    ],
)
def test_boxes_without_pixels_are_one_line(boxes: np.ndarray, message: str):
    image = np.zeros((480, 640, 3), np.uint8)
    with pytest.raises(UserError) as error:
        ObjectsInImage(image, np.array(MATRIX), boxes, np.ones((len(boxes), 3)), [])
    assert message in str(error.value)
