"""Pictures beside each other."""

from __future__ import annotations

import cv2
import numpy as np


def side_by_side(*pictures: np.ndarray) -> np.ndarray:
    """Puts (H, W, 3) uint8 pictures in a row; all take the height of the first and keep their proportions."""
    height = pictures[0].shape[0]
    return np.concatenate([_with_height(picture, height) for picture in pictures], axis=1)


def _with_height(picture: np.ndarray, height: int) -> np.ndarray:
    if picture.shape[0] == height:
        return picture
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
