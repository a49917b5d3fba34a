"""Images in memory, of any form that has a name."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from epropnp_det.errors import ImageError

# Names of the channels, and the conversion to blue, green, red.
CHANNELS = dict(bgr=None, rgb=cv2.COLOR_RGB2BGR, gray=cv2.COLOR_GRAY2BGR)


def to_bgr(image: Any, channels: str = "bgr") -> np.ndarray:
    """A picture (H, W, 3) uint8, channels blue, green, red.

    Args:
        image: an image of Pillow, turned upright by its EXIF orientation; or an array (H, W, 3),
            for "gray" (H, W) or (H, W, 1): uint8; uint16, of which the upper 8 bits are kept;
            or floating point from 0 to 1.
        channels: "bgr", "rgb" or "gray", the order of an array; Pillow's images have their own.

    Raises:
        ImageError: another kind of array, another range or another name.
    """
    if isinstance(image, Image.Image):
        image = np.array(ImageOps.exif_transpose(image).convert("RGB"))
        channels = "rgb"
    if channels not in CHANNELS:
        raise ImageError(f"channels={channels!r} is not one of {', '.join(CHANNELS)}")
    if not isinstance(image, np.ndarray):
        raise ImageError(
            f"an image must be a file, an image of Pillow or an array, not a {type(image).__name__}"
        )
    flat = image[..., 0] if channels == "gray" and image.shape[2:] == (1,) else image
    if flat.shape[2:] != (() if channels == "gray" else (3,)) or flat.ndim < 2 or not flat.size:
        expected = "(H, W)" if channels == "gray" else "(H, W, 3)"
        raise ImageError(
            f"an array with channels={channels!r} must be {expected}, not {image.shape}; channels "
            f"is one of {', '.join(CHANNELS)}"
        )
    pixels = _to_bytes(flat)
    code = CHANNELS[channels]
    return pixels if code is None else cv2.cvtColor(pixels, code)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return (image >> 8).astype(np.uint8)
    if not np.issubdtype(image.dtype, np.floating):
        raise ImageError(f"an array must be uint8, uint16 or floating point, not {image.dtype}")
    if not (image.min() >= 0 and image.max() <= 1):  # also where a value is NaN
        raise ImageError(
            f"an array of floating point must lie between 0 and 1, not {image.min():g} and "
            f"{image.max():g}; divide it by its largest value, or give uint8"
        )
    return np.round(image * 255).astype(np.uint8)
