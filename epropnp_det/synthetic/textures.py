"""Textures: bilinear sampling and periodic tiles of noise."""

from __future__ import annotations

import cv2
import numpy as np


def sample(
    picture: np.ndarray,
    cells: np.ndarray,
    border: int = cv2.BORDER_WRAP,
    outside: tuple[int, ...] = (0,),
) -> np.ndarray:
    """Bilinear values (N, ...) of a picture at cells (N, 2): column and row, (0, 0) being the
    middle of the first.
    """
    columns = _in_rows(cells[:, 0])
    rows = _in_rows(cells[:, 1])
    values = cv2.remap(
        picture, columns, rows, cv2.INTER_LINEAR, borderMode=border, borderValue=outside
    )
    return values.reshape(-1, *picture.shape[2:])[: len(cells)]


def _in_rows(values: np.ndarray, width: int = 1024) -> np.ndarray:
    """(N,) -> (rows, width), padded: OpenCV takes no picture of more than 32767 rows."""
    padded = np.zeros(max(1, -(-len(values) // width)) * width, np.float32)
    padded[: len(values)] = values
    return padded.reshape(-1, width)


def noise_tile(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """(size, size) in about [0, 1]: `cells` random values a side, smooth in between. Side by side,
    tiles join without a seam.
    """
    coarse = rng.random((cells, cells), dtype=np.float32)
    margin = 2
    fine = cv2.resize(
        np.pad(coarse, margin, mode="wrap"),
        None,
        fx=size / cells,
        fy=size / cells,
        interpolation=cv2.INTER_CUBIC,
    )
    border = margin * size // cells
    return fine[border : border + size, border : border + size]
