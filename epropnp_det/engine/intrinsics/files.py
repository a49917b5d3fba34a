"""Intrinsics from the command line: numbers, files of calibration programs, or a field of view."""

from __future__ import annotations

import functools
import math
import re
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

from ..images import image_size
from .annotated import annotated_cameras, camera_of_annotated_image
from .cameras import NamedCamera, camera_of_name, choose_camera
from .content import parse, read_text
from .kitti import is_kitti_calibration, kitti_cameras
from .mappings import cameras_of_mapping
from .value import EXPECTED, Intrinsics, camera_matrix

FILE_SUFFIXES = (".txt", ".json", ".yaml", ".yml")
MIN_FIELD_OF_VIEW = 1.0  # [deg]
MAX_FIELD_OF_VIEW = 170.0
ANY_IMAGE = ""
_FIELD_OF_VIEW = re.compile(r"\s*fov\s*=\s*(.*?)\s*(?:deg)?\s*\Z", re.IGNORECASE)


def parse_intrinsics(text_or_path: str | Path) -> np.ndarray:
    """(3, 3) camera matrix; `read_intrinsics` without an image.

    Raises:
        UserError: as there.
    """
    return read_intrinsics(text_or_path).matrix


def read_intrinsics(
    source: str | Path,
    image: str | Path | None = None,
    size: tuple[int, int] | None = None,
) -> Intrinsics:
    """Intrinsics from what people have.

    Args:
        source: one of

            * fx,fy,cx,cy or the 9 or 12 numbers of a matrix, in pixels
            * fov=DEGREES: the horizontal field of view of the upright image, whose centre is the
              principal point
            * a text or JSON file with these numbers
            * the calibration file of ROS or OpenCV (YAML or JSON), or of KITTI
            * a file with several cameras by name; FILE:NAME chooses one, otherwise the path of
              the image does
            * an annotation file that names the image (`mono3d.coco.json`)
            * a folder with a file named after each image

        image: file of the image or film; None where the source has one camera.
        size: width and height [px] of the image, for the field of view; None: that of the file.

    Raises:
        UserError: anything else, or no camera for this image.
        ImageError: the field of view needs the size of an image that cannot be read.
    """
    text = str(source)
    angle = _FIELD_OF_VIEW.match(text)
    if angle is not None:
        return _from_field_of_view(angle[1], image, size)
    if _is(text, Path.is_dir):
        return read_intrinsics(_file_of_image(Path(text), image), image, size)
    path, _, name = text.rpartition(":")
    if not _is(text, Path.is_file) and _is(path, Path.is_file):
        return camera_of_name(_cameras_of_file(path).get(ANY_IMAGE, []), name, path)
    if not _is(text, Path.exists):
        numbers = _numbers(text, f"{reprlib.repr(text)} is neither numbers nor a file")
        return Intrinsics(camera_matrix(numbers))
    cameras = _cameras_of_file(text)
    if ANY_IMAGE in cameras:
        return choose_camera(cameras[ANY_IMAGE], image, text)
    if image is None:
        raise UserError(f"{text} is an annotation file; give the image whose camera is meant")
    return camera_of_annotated_image(cameras, image, text)


def _is(text: str, test: Any) -> bool:
    """Whether a test of the path holds; a text that cannot be a path passes none."""
    try:
        return bool(text) and test(Path(text))
    except (OSError, ValueError):
        return False


def _from_field_of_view(
    text: str, image: str | Path | None, size: tuple[int, int] | None
) -> Intrinsics:
    try:
        degrees = float(text)
    except ValueError:
        degrees = math.nan
    if not MIN_FIELD_OF_VIEW <= degrees <= MAX_FIELD_OF_VIEW:
        raise UserError(
            f"field of view {text[:40]!r} is not a number of degrees between "
            f"{MIN_FIELD_OF_VIEW:g} and {MAX_FIELD_OF_VIEW:g}; give fov=70, for instance"
        )
    if size is None:
        if image is None:
            raise UserError(f"fov={text} needs the size of an image; give fx,fy,cx,cy")
        size = image_size(image)
    width, height = size
    focal = width / 2 / math.tan(math.radians(degrees) / 2)
    return Intrinsics(camera_matrix((focal, focal, width / 2, height / 2)), (width, height))


def _file_of_image(folder: Path, image: str | Path | None) -> Path:
    """The one file in the folder that is named after the image."""
    if image is None:
        raise UserError(f"intrinsics {folder} is a folder; give a file")
    stem = Path(image).stem
    found = [folder / f"{stem}{suffix}" for suffix in FILE_SUFFIXES]
    found = [path for path in found if path.is_file()]
    if len(found) != 1:
        names = ", ".join(f"{stem}{suffix}" for suffix in FILE_SUFFIXES)
        raise UserError(f"intrinsics folder {folder} needs one of {names}; it has {len(found)}")
    return found[0]


def _cameras_of_file(path: str) -> dict[str, list[NamedCamera]]:
    """The cameras of an annotation file by file name of the image; those of another file under
    `ANY_IMAGE`.
    """
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError as error:
        raise UserError(f"intrinsics file {path} cannot be read: {error.strerror}") from error
    return _cameras_of_version(path, changed)


@functools.lru_cache(maxsize=256)
def _cameras_of_version(path: str, modified: int) -> dict[str, list[NamedCamera]]:
    """The same, read once for all images; a file that changes is read again."""
    text = read_text(path)
    where = f"intrinsics file {path}"
    if is_kitti_calibration(text):
        return {ANY_IMAGE: kitti_cameras(text, where)}
    content = _parse(text, where)
    if isinstance(content, dict) and "images" in content:
        return annotated_cameras(content, path)
    if isinstance(content, dict):
        return {ANY_IMAGE: cameras_of_mapping(content, where)}
    if not isinstance(content, list):
        raise UserError(f"{where} holds something else; {EXPECTED}")
    try:
        return {ANY_IMAGE: [NamedCamera("", Intrinsics(camera_matrix(content)))]}
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _parse(text: str, where: str) -> Any:
    """JSON, numbers or YAML."""
    if text.lstrip()[:1] in ("{", "["):
        return parse(text, where, is_json=True)
    try:
        return _numbers(text, where)
    except UserError:
        return parse(text, where, is_json=False)


def _numbers(text: str, fault: str) -> list[float]:
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise UserError(f"{fault}; {EXPECTED}") from None
