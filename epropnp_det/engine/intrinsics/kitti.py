"""Cameras of KITTI's calibration files."""

from __future__ import annotations

import re

import numpy as np

from epropnp_det.errors import UserError

from .cameras import NamedCamera
from .value import Intrinsics, camera_matrix

# P2 of the object and odometry benchmarks, P_rect_02 of the raw recordings.
_PROJECTION = re.compile(r"^P(?:_rect_0)?(\d):?\s+(.*)$", re.MULTILINE)
_SIZE = re.compile(r"^S_rect_0(\d):\s+(\S+)\s+(\S+)\s*$", re.MULTILINE)


def is_kitti_calibration(text: str) -> bool:
    """Whether the text has a line with a projection matrix in KITTI's form."""
    return _PROJECTION.search(text) is not None


def kitti_cameras(text: str, where: str) -> list[NamedCamera]:
    """The cameras P0, P1, ... of rectified images, each with the names of its folders.

    The last column of a projection matrix is left out, so boxes are in the camera's own frame.

    Raises:
        UserError: a line without 12 numbers, or with those of no camera.
    """
    try:
        sizes = {
            key: (round(float(width)), round(float(height)))
            for key, width, height in _SIZE.findall(text)
        }
        return [
            NamedCamera(
                f"P{key}",
                Intrinsics(_matrix(words), sizes.get(key)),
                (f"image_{key}", f"image_0{key}"),
            )
            for key, words in _PROJECTION.findall(text)
        ]
    except (ValueError, OverflowError) as error:
        raise UserError(f"{where}, a calibration of KITTI: {error}") from error


def projection_matrices(text: str, where: str) -> dict[str, np.ndarray]:
    """The projection matrices (3, 4) of a calibration, by the number of the camera: "0", "1", ...

    Raises:
        UserError: a line without 12 numbers, or with those of no camera.
    """
    matrices = {}
    for key, words in _PROJECTION.findall(text):
        try:
            numbers = _numbers(words)
            matrices[key] = np.column_stack([camera_matrix(numbers), numbers[3::4]])
        except (ValueError, OverflowError) as error:
            raise UserError(f"{where}, P{key}: {error}") from error
    return matrices


def _matrix(words: str) -> np.ndarray:
    return camera_matrix(_numbers(words))


def _numbers(words: str) -> list[float]:
    try:
        numbers = [float(word) for word in words.split()]
    except ValueError as error:
        raise UserError(f"{words!r:.60} are no numbers") from error
    if len(numbers) != 12:
        raise UserError(f"a projection matrix has {len(numbers)} numbers, not 12")
    return numbers
