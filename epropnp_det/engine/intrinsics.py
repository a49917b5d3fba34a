"""Camera matrices from numbers, text and files."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

_EXPECTED = "give fx,fy,cx,cy or a JSON or text file with these 4 numbers or a 3x3 matrix"


def camera_matrix(intrinsics: Sequence[float] | np.ndarray) -> np.ndarray:
    """(3, 3) float64 camera matrix, in px, from itself or from (fx, fy, cx, cy).

    Raises:
        UserError: neither 3x3 nor 4 numbers, not finite, a focal length that is not positive, or a
            last row that is not 0, 0, 1.
    """
    try:
        numbers = np.asarray(intrinsics, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"intrinsics are not numbers: {_expected(intrinsics)}") from None
    if numbers.shape == (4,):
        fx, fy, cx, cy = numbers
        numbers = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if numbers.shape != (3, 3):
        raise UserError(
            f"intrinsics must be 3x3 or 4 numbers, not of shape {numbers.shape}: "
            f"{_expected(intrinsics)}"
        )
    if not (
        np.isfinite(numbers).all()
        and numbers[0, 0] > 0
        and numbers[1, 1] > 0
        and np.array_equal(numbers[2], (0, 0, 1))
    ):
        raise UserError(
            "intrinsics must be finite, with positive focal lengths and a last row 0 0 1: "
            f"{_expected(intrinsics)}"
        )
    return numbers


def _expected(given: Any) -> str:
    return f"got {str(given)[:80]}; {_EXPECTED}"


def parse_intrinsics(text_or_path: str | Path) -> np.ndarray:
    """(3, 3) camera matrix from 'fx,fy,cx,cy' or from a file with these numbers or nine, as JSON or
    separated by blanks or commas.

    Raises:
        UserError: neither numbers nor a readable file of them.
    """
    text = str(text_or_path)
    path = Path(text)
    if not path.is_file():
        return camera_matrix(_numbers(text, f"{text!r} is neither 4 numbers nor a file"))
    try:
        content = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"intrinsics file {path} cannot be read as text") from error
    return camera_matrix(_json_or_numbers(content, f"intrinsics file {path} holds something else"))


def _json_or_numbers(content: str, fault: str) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError:
        return _numbers(content, fault)


def _numbers(text: str, fault: str) -> np.ndarray:
    try:
        numbers = np.array([float(word) for word in text.replace(",", " ").split()])
    except ValueError:
        raise UserError(f"{fault}; {_EXPECTED}") from None
    return numbers.reshape(3, 3) if numbers.shape == (9,) else numbers


@functools.cache
def intrinsics_by_file_name(annotation_file: str | Path) -> dict[str, np.ndarray]:
    """(3, 3) camera matrices by image file name (without folders), from an annotation file in the
    `mono3d.coco.json` form.

    Raises:
        UserError: the file is no annotation file.
    """
    try:
        images = json.loads(Path(annotation_file).read_text())["images"]
        return {
            Path(image["file_name"]).name: camera_matrix(image["cam_intrinsic"]) for image in images
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{annotation_file} is no annotation file with images[].file_name and "
            "images[].cam_intrinsic"
        ) from error
