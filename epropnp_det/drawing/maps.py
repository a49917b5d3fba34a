"""Maps of a network over a patch, as pictures."""

from __future__ import annotations

import cv2
import numpy as np

# Exponent of weights in pictures: small ones show next to the largest.
_GAMMA = 0.5


def draw_coordinates(noc: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """Normalised object coordinates as colours: (size, size, 3) uint8 BGR.

    Red is x, green y, blue z, each from -1 (dark) to 1 (bright). Cells of little weight fade to
    white.

    Args:
        noc: (3, h, w) in [-1, 1].
        weight: (h, w), at least 0.
    """
    color = np.clip((noc[::-1].transpose(1, 2, 0) + 1) / 2, 0, 1)
    ink = _ink(weight)[..., None]
    return _enlarged(255 * (1 - ink * (1 - color)), size)


def draw_weights(weight: np.ndarray, size: int) -> np.ndarray:
    """Weights of cells (h, w), at least 0, from black to bright: (size, size, 3) uint8 BGR.

    The colours go with the square root of the share of the largest weight.
    """
    level = _enlarged(255 * _ink(weight), size)
    return cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)


def _ink(weight: np.ndarray) -> np.ndarray:
    """Weights (h, w) in [0, 1], 1 the largest; zeros where no weight is a number."""
    finite = np.nan_to_num(weight, posinf=0.0)
    return (finite / max(finite.max(), np.finfo(np.float64).tiny)) ** _GAMMA


def _enlarged(picture: np.ndarray, size: int) -> np.ndarray:
    """uint8, (size, size, ...); cells stay visible."""
    levels = np.round(np.nan_to_num(picture)).astype(np.uint8)
    return cv2.resize(levels, (size, size), interpolation=cv2.INTER_NEAREST)
