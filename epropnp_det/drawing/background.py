"""What the boxes are drawn on: the photograph, a blur that shows nobody, or nothing."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUNDS = ("image", "blur", "none")
# Px that are left of the image's width: shapes of the scene stay, no face or number plate does
_BLUR_WIDTH = 40
_PLAIN = 56  # grey level of the empty background


def background(image: np.ndarray, kind: str) -> np.ndarray:
    """A new picture of the same shape as `image` (H, W, 3) uint8 BGR, after `kind`.

    Args:
        kind: 'image' (a copy), 'blur' (unrecognisable), 'none' (plain grey).

    Raises:
        ValueError: another `kind`.
    """
    if kind == "image":
        return image.copy()
    if kind == "none":
        return np.full_like(image, _PLAIN)
    if kind != "blur":
        raise ValueError(f"background must be one of {', '.join(BACKGROUNDS)}, not {kind!r}")
    height, width = image.shape[:2]
    small = cv2.resize(
        image,
        (_BLUR_WIDTH, max(1, round(_BLUR_WIDTH * height / width))),
        interpolation=cv2.INTER_AREA,
    )
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
