"""Every form of the same picture becomes the same pixels, and an unclear form is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from epropnp_det.engine.image_arrays import to_bgr
from epropnp_det.errors import ImageError

BGR = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
RGB = np.ascontiguousarray(BGR[..., ::-1])


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (BGR, "bgr"),
        (RGB, "rgb"),
        (RGB / 255, "rgb"),
        ((BGR / 255).astype(np.float32), "bgr"),
        (BGR.astype(np.uint16) * 257, "bgr"),
        (Image.fromarray(RGB), "bgr"),
        (Image.fromarray(RGB).convert("RGBA"), "gray"),  # Pillow's images name their channels
    ],
)
def test_all_forms_of_a_picture_are_the_same(image, channels: str) -> None:
    np.testing.assert_array_equal(to_bgr(image, channels), BGR)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1)])
def test_grey_becomes_three_equal_channels(shape: tuple[int, ...]) -> None:
    grey = BGR[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(to_bgr(grey.reshape(shape), "gray"), expected)


def test_pillow_images_are_turned_upright() -> None:
    image = Image.fromarray(RGB)
    image.getexif()[0x0112] = 6  # stored lying on its side
    np.testing.assert_array_equal(to_bgr(image), np.rot90(BGR, -1))


@pytest.mark.parametrize(
    ("image", "channels", "message"),
    [
        (BGR[..., 0], "bgr", r"\(H, W, 3\), not \(6, 8\)"),
        (BGR, "gray", r"\(H, W\), not \(6, 8, 3\)"),
        (BGR.transpose(2, 0, 1), "rgb", r"not \(3, 6, 8\)"),
        (BGR[:0], "bgr", "not"),
        (BGR * 1.0, "bgr", "between 0 and 1, not 0 and"),
        (np.full((6, 8, 3), np.nan), "bgr", "between 0 and 1"),
        (BGR.astype(np.int64), "bgr", "uint8, uint16 or floating point, not int64"),
        (BGR, "hsv", "'hsv' is not one of bgr, rgb, gray"),
        ([1, 2], "bgr", "not a list"),
    ],
)
def test_unclear_arrays_are_one_line(image, channels: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        to_bgr(image, channels)
