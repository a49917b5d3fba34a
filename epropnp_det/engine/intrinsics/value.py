"""The intrinsics of a camera as a checked value."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

MAX_NUMBER = 1e6  # [px]; no lens and no image is larger
MAX_COEFFICIENT = 1e4
_LENSES = {5: "OpenCV's k1, k2, p1, p2, k3", 4: "the k1, k2, k3, k4 of OpenCV's fisheye model"}

EXPECTED = (
    "give fx,fy,cx,cy or a JSON or text file with these 4 numbers or a 3x3 or 3x4 matrix, the "
    "calibration file of KITTI, ROS or OpenCV, or fov=DEGREES"
)


@dataclass(frozen=True, eq=False)
class Intrinsics:
    """Intrinsics of a camera; `intrinsics[0, 0]` is a number of its matrix.

    Args:
        matrix: (3, 3) camera matrix [px], the centre of the first pixel at (0.5, 0.5); any form
            that `camera_matrix` takes.
        size: width and height [px] of the images that the matrix belongs to; None: unknown.
        distortion: coefficients of the lens: 5 for OpenCV's k1, k2, p1, p2, k3, or 4 for OpenCV's
            fisheye model; None: no distortion.

    Raises:
        UserError: no camera matrix, no image size, or other coefficients.
    """

    matrix: np.ndarray
    size: tuple[int, int] | None = None
    distortion: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        matrix = camera_matrix(self.matrix).copy()
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)
        if self.size is not None:
            object.__setattr__(self, "size", _image_size(self.size))
        if self.distortion is not None:
            object.__setattr__(self, "distortion", _coefficients(self.distortion))

    @classmethod
    def of(cls, intrinsics: Intrinsics | Sequence[Any] | np.ndarray) -> Intrinsics:
        """The same value, or one made of what `camera_matrix` takes."""
        return intrinsics if isinstance(intrinsics, cls) else cls(camera_matrix(intrinsics))

    def __getitem__(self, index: tuple[int, int]) -> float:
        """An entry of the matrix [px]."""
        return float(self.matrix[index])

    def __array__(self, dtype: Any = None) -> np.ndarray:
        """(3, 3) matrix [px], in an array of its own."""
        return np.array(self.matrix, dtype=dtype)

    def equals(self, other: Intrinsics) -> bool:
        """Whether all numbers are equal."""
        return np.array_equal(self.matrix, other.matrix) and (self.size, self.distortion) == (
            other.size,
            other.distortion,
        )


def camera_matrix(intrinsics: Intrinsics | Sequence[Any] | np.ndarray) -> np.ndarray:
    """(3, 3) float64 camera matrix [px].

    Args:
        intrinsics: (fx, fy, cx, cy), a 3x3 matrix, a 3x4 projection matrix, of which the last
            column is left out, or these as 9 or 12 numbers, row by row.

    Raises:
        UserError: another shape, something else than finite numbers, a focal length that is not
            positive, numbers above a million, or a matrix that is not upper triangular with a last
            row of 0, 0, 1.
    """
    if isinstance(intrinsics, Intrinsics):
        return intrinsics.matrix
    numbers = _array(intrinsics)
    if numbers.shape == (4,):
        fx, fy, cx, cy = numbers
        numbers = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if numbers.shape in ((9,), (12,)):
        numbers = numbers.reshape(3, -1)
    if numbers.shape not in ((3, 3), (3, 4)):
        raise UserError(
            f"intrinsics must be 3x3 or 4 numbers, or 3x4, not of shape {numbers.shape}: "
            f"{_got(intrinsics)}"
        )
    matrix = numbers[:, :3]
    if not (
        np.isfinite(numbers).all()
        and np.abs(matrix).max() <= MAX_NUMBER
        and min(matrix[0, 0], matrix[1, 1]) > 0
        and matrix[1, 0] == 0
        and np.array_equal(matrix[2], (0, 0, 1))
    ):
        raise UserError(
            "intrinsics must be finite and at most a million, with positive focal lengths, 0 below "
            f"the diagonal and a last row 0 0 1: {_got(intrinsics)}"
        )
    return matrix


def _array(given: Any) -> np.ndarray:
    """Numbers, or rows of numbers, as float64; booleans and text are no numbers."""
    rows = _plain(given)
    entries = [_plain(row) for row in rows] if isinstance(rows, (list, tuple)) else []
    nested = [entry if isinstance(entry, (list, tuple)) else [entry] for entry in entries]
    if not entries or any(
        type(_plain(number)) not in (int, float) for row in nested for number in row
    ):
        raise UserError(f"intrinsics are not numbers: {_got(given)}")
    try:
        return np.array(entries, dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise UserError(f"intrinsics are not numbers of a matrix: {_got(given)}") from error


def _plain(value: Any) -> Any:
    """Arrays, tensors and numpy's numbers as Python's lists and numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


def _got(given: Any) -> str:
    """What was given, in one short line whatever it is, and what is expected."""
    shown = " ".join(reprlib.repr(given).split())
    return f"got {shown[:120]}; {EXPECTED}"


def _image_size(size: Any) -> tuple[int, int]:
    numbers = _plain(size)
    if not (
        isinstance(numbers, (list, tuple))
        and len(numbers) == 2
        and all(type(number) in (int, float) for number in numbers)
        and all(1 <= number <= MAX_NUMBER and number == int(number) for number in numbers)
    ):
        raise UserError(
            f"the image size of a camera is {reprlib.repr(size)[:80]}; give width and height in "
            "whole pixels"
        )
    width, height = numbers
    return int(width), int(height)


def _coefficients(distortion: Any) -> tuple[float, ...]:
    numbers = _plain(distortion)
    if not (
        isinstance(numbers, (list, tuple))
        and len(numbers) in _LENSES
        and all(type(number) in (int, float) for number in map(_plain, numbers))
        and all(abs(number) <= MAX_COEFFICIENT for number in numbers)
    ):
        lenses = " or ".join(_LENSES.values())
        raise UserError(
            f"distortion is {reprlib.repr(distortion)[:80]}; give {lenses}, or undistort the images"
        )
    return tuple(float(number) for number in numbers)
