"""Pictures side by side, and figures as pictures."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def side_by_side(*pictures: np.ndarray) -> np.ndarray:
    """Puts (H, W, 3) uint8 pictures in a row; all take the height of the first and keep their
    proportions.
    """
    height = pictures[0].shape[0]
    return np.concatenate([_with_height(picture, height) for picture in pictures], axis=1)


def stacked(*pictures: np.ndarray) -> np.ndarray:
    """Puts (H, W, 3) uint8 pictures below each other; narrow ones are filled up with white on the
    right.
    """
    width = max(picture.shape[1] for picture in pictures)
    filled = (
        np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255)
        for picture in pictures
    )
    return np.concatenate(list(filled), axis=0)


def _with_height(picture: np.ndarray, height: int) -> np.ndarray:
    if picture.shape[0] == height:
        return picture
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def render_figure(figure: Figure) -> np.ndarray:
    """A figure of matplotlib drawn without a display: (H, W, 3) uint8 BGR."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())
    return np.ascontiguousarray(rgba[..., 2::-1])
