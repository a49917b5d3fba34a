"""Camera matrices from numbers, text and files."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

MAX_PRINCIPAL_POINT_OFFSET = 0.2  # from the centre, in image widths and heights
MIN_FOCAL_WIDTHS = 0.3
MAX_FOCAL_WIDTHS = 5.0

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


def intrinsics_of_image(annotation_file: str | Path, image: str | Path) -> np.ndarray:
    """(3, 3) camera matrix of an image, from an annotation file in the `mono3d.coco.json` form.

    The entry counts whose path agrees with the image's in most parts, from the file name upwards.

    Raises:
        UserError: the file is no annotation file, has no image of this name, or has several with
            different matrices that agree equally well.
    """
    path = Path(image).absolute()
    entries = _entries_by_file_name(annotation_file).get(path.name)
    if not entries:
        raise UserError(f"{annotation_file} has no image named {path.name}")
    shared = [_shared_parts(Path(file_name), path) for file_name, _ in entries]
    best = [entry for entry, count in zip(entries, shared) if count == max(shared)]
    if any(not np.array_equal(matrix, best[0][1]) for _, matrix in best):
        names = ", ".join(file_name for file_name, _ in best[:3])
        raise UserError(
            f"{annotation_file} has several cameras for {image} ({names}); give the image with the "
            "folders that the file names"
        )
    return best[0][1]


def _shared_parts(first: Path, second: Path) -> int:
    """How many parts two paths share, counted from the file name upwards."""
    pairs = zip(reversed(first.parts), reversed(second.parts))
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def intrinsics_by_file_name(annotation_file: str | Path) -> dict[str, np.ndarray]:
    """(3, 3) camera matrices by image file name (without folders), from an annotation file in the
    `mono3d.coco.json` form. Of equal names the last one counts;
    `intrinsics_of_image` distinguishes folders.

    Raises:
        UserError: the file is no annotation file.
    """
    entries = _entries_by_file_name(annotation_file)
    return {name: same_name[-1][1] for name, same_name in entries.items()}


@functools.cache
def _entries_by_file_name(annotation_file: str | Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Path and (3, 3) matrix of each image, grouped by file name without folders."""
    try:
        images = json.loads(Path(annotation_file).read_text())["images"]
        entries: dict[str, list[tuple[str, np.ndarray]]] = {}
        for image in images:
            entry = (image["file_name"], camera_matrix(image["cam_intrinsic"]))
            entries.setdefault(Path(image["file_name"]).name, []).append(entry)
        return entries
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{annotation_file} is no annotation file with images[].file_name and "
            "images[].cam_intrinsic"
        ) from error


def camera_faults(matrix: np.ndarray, size: tuple[int, int]) -> list[str]:
    """Reasons to doubt that a camera matrix (3, 3) belongs to an image of this size (width, height)
    in pixels; one line each.
    """
    width, height = size
    faults = []
    offset = matrix[:2, 2] / size - 0.5
    if np.abs(offset).max() > MAX_PRINCIPAL_POINT_OFFSET:
        faults.append(
            f"principal point ({matrix[0, 2]:g}, {matrix[1, 2]:g}) is far from the centre of the "
            f"{width}x{height} image; give the camera matrix of this resolution"
        )
    if not MIN_FOCAL_WIDTHS <= matrix[0, 0] / width <= MAX_FOCAL_WIDTHS:
        faults.append(
            f"focal length {matrix[0, 0]:g} px is unusual for the {width}x{height} image; give the "
            "camera matrix of this resolution, in pixels"
        )
    return faults
