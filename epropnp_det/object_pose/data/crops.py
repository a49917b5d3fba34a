"""Square patches around objects: where they lie in the image, and what they show.

Ours keeps the patch where the box puts it: its origin and side are real numbers, also beyond the
image's border. The released way rounds both to whole pixels, and where a patch overhangs the left,
top or bottom border it returns the centre of the part inside the image, so that every pixel that
the network is given slides by half the overhang. It is kept for the released models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from .coordinate_maps import pixel_centers


@dataclass(frozen=True)
class CropSettings:
    """How a patch follows from a box.

    Args:
        scale: side of the patch in longer sides of the box.
        jitter: largest relative change of the side, and of the centre in sides of the box, in
            training.
        largest_side: [px] of the image.
    """

    scale: float = 1.5
    jitter: float = 0.25
    largest_side: float = 640.0


@dataclass(frozen=True)
class CropWindow:
    """A square of an image, which may reach beyond its border.

    Args:
        origin: (2,) x, y [px] of the upper left corner.
        side: [px].
    """

    origin: np.ndarray
    side: float

    @property
    def center(self) -> np.ndarray:
        """(2,) x, y [px]."""
        return self.origin + self.side / 2

    def cell_centers(self, cells: int) -> np.ndarray:
        """Pixels (cells, cells, 2) of the image at the centres of a grid of cells."""
        return self.origin + self.side / cells * pixel_centers(cells, cells)


@dataclass(frozen=True)
class ReleasedWindow:
    """A square of whole pixels as the released reader cuts it.

    Args:
        low: (2,) x, y, first column and row that the patch shows; it may be negative.
        side: [px].
        center: (2,) x, y [px], the centre that the reader returns: wrong where the patch overhangs
            the left, top or bottom border.
    """

    low: tuple[int, int]
    side: int
    center: np.ndarray


NO_JITTER = np.full(3, 0.5)


def crop_window(
    box: np.ndarray, settings: CropSettings, draws: np.ndarray = NO_JITTER
) -> CropWindow:
    """The patch of a box x, y, w, h [px]; its centre never moves at the image's border.

    Args:
        draws: (3,) uniform in [0, 1], for side, y and x; halves do not jitter.
    """
    center, side = _jittered(box, settings, draws)
    side = min(side, settings.largest_side)
    return CropWindow(center - side / 2, side)


def released_window(
    box: np.ndarray,
    image_size: tuple[int, int],
    settings: CropSettings,
    draws: np.ndarray = NO_JITTER,
) -> ReleasedWindow:
    """The patch of a box x, y, w, h [px] in the released way; image_size is (width, height)."""
    center, side = _jittered(box, settings, draws)
    whole = int(min(side, settings.largest_side))
    low = [int(int(value) - whole / 2 + 0.5) for value in center]
    left, top = (max(value, 0) for value in low)
    right = low[0] + whole
    bottom = min(low[1] + whole, image_size[1])
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    return ReleasedWindow((low[0], low[1]), whole, middle)


def crop_image(image: np.ndarray, window: CropWindow, size: int) -> np.ndarray:
    """What a patch shows, (size, size, ...), zeros beyond the image's border.

    Bilinear where the patch enlarges the image; where it shrinks it, the mean over each cell, so
    that nothing aliases.
    """
    parts = max(1, math.ceil(window.side / size))
    step = window.side / (size * parts)
    # OpenCV's coordinates have pixel centres at integers.
    offset = window.origin + step / 2 - 0.5
    matrix = np.array([[step, 0, offset[0]], [0, step, offset[1]]])
    fine = cv2.warpAffine(
        image, matrix, (size * parts,) * 2, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return cv2.resize(fine, (size, size), interpolation=cv2.INTER_AREA) if parts > 1 else fine


def crop_released(
    image: np.ndarray, window: ReleasedWindow, size: int, interpolation: int = cv2.INTER_LINEAR
) -> np.ndarray:
    """What a released patch shows, (size, size, ...), zeros beyond the image's border."""
    height, width = image.shape[:2]
    patch = np.zeros((window.side, window.side, *image.shape[2:]), image.dtype)
    x, y = window.low
    left = max(x, 0)
    top = max(y, 0)
    right = min(x + window.side, width)
    bottom = min(y + window.side, height)
    if left < right and top < bottom:
        patch[top - y : bottom - y, left - x : right - x] = image[top:bottom, left:right]
    return cv2.resize(patch, (size, size), interpolation=interpolation)


def _jittered(
    box: np.ndarray, settings: CropSettings, draws: np.ndarray
) -> tuple[np.ndarray, float]:
    """Centre (2,) and side [px] of a patch."""
    changes = settings.jitter * (2 * np.asarray(draws, dtype=np.float64) - 1)
    box = np.asarray(box, dtype=np.float64)
    center = box[:2] + box[2:] * (0.5 + changes[[2, 1]])
    return center, settings.scale * float(box[2:].max()) * (1 + changes[0])
