"""Cameras from the keys of JSON and YAML: those of ROS, OpenCV, Kalibr, NeRF and others."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from epropnp_det.errors import UserError

from .cameras import NamedCamera
from .value import EXPECTED, Intrinsics

# Lower-case keys; the first that a file has counts.
MATRIX_KEYS = (
    "camera_matrix",
    "cam_intrinsic",
    "intrinsic_matrix",
    "cam_k",
    "k",
    "intrinsics",
    "intrinsic",
    "matrix",
    "projection_matrix",
    "p",
)
FOCAL_KEYS = (("fx", "fy", "cx", "cy"), ("fl_x", "fl_y", "cx", "cy"))
SIZE_KEYS = (("image_width", "image_height"), ("width", "height"), ("w", "h"))
SIZE_LIST_KEYS = ("image_size", "resolution", "size")
DISTORTION_KEYS = (
    "distortion_coefficients",
    "distortion_coeffs",
    "dist_coeffs",
    "distortion",
    "d",
)
FISHEYE_MODELS = ("equidistant", "fisheye", "opencv_fisheye", "kannala_brandt")
PINHOLE_MODELS = ("", "none", "plumb_bob", "radtan", "opencv", "rational_polynomial")
_MATRIX_LENGTHS = (3, 4, 9, 12)


def cameras_of_mapping(content: Mapping[Any, Any], where: str) -> list[NamedCamera]:
    """The camera of a calibration file, or its cameras by their names.

    Raises:
        UserError: no camera, or a wrong one; the message has the file and the key.
    """
    alone = _camera(content, where)
    if alone is not None:
        return [NamedCamera(str(content.get("camera_name", "")), alone)]
    cameras = []
    for key, value in content.items():
        name = str(key)[:80]
        if isinstance(value, list) and len(value) in _MATRIX_LENGTHS:
            value = {MATRIX_KEYS[0]: value}
        camera = _camera(value, f"{where}: {name}") if isinstance(value, dict) else None
        if camera is not None:
            cameras.append(NamedCamera(name, camera))
    if not cameras:
        raise UserError(f"{where} has no camera matrix; {EXPECTED}")
    return cameras


def _camera(content: Mapping[Any, Any], where: str) -> Intrinsics | None:
    """The camera that these keys describe; None where no key is one of a camera matrix."""
    values = {str(key).lower(): value for key, value in content.items()}
    matrix = _matrix(values)
    if matrix is None:
        return None
    try:
        return Intrinsics(matrix, _size(values), _distortion(values))
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _matrix(values: Mapping[str, Any]) -> Any:
    for key in MATRIX_KEYS:
        if key in values:
            found = _data(values[key])
            return _matrix(found) if isinstance(found, dict) else found
    for keys in FOCAL_KEYS:
        if all(key in values for key in keys):
            return [values[key] for key in keys]
    return None


def _size(values: Mapping[str, Any]) -> Any:
    for width, height in SIZE_KEYS:
        if width in values and height in values:
            return values[width], values[height]
    return next((_data(values[key]) for key in SIZE_LIST_KEYS if key in values), None)


def _distortion(values: Mapping[str, Any]) -> Any:
    """Coefficients as `Intrinsics` has them; None where all are zero.

    Raises:
        UserError: another model of the lens.
    """
    given = next((_data(values[key]) for key in DISTORTION_KEYS if key in values), None)
    if not isinstance(given, list):
        return given
    rows = [entry if isinstance(entry, list) else [entry] for entry in given]
    numbers = list(itertools.chain.from_iterable(rows))
    if all(number == 0 for number in numbers):
        return None
    model = str(values.get("distortion_model", "")).lower()
    is_fisheye = model in FISHEYE_MODELS or values.get("fisheye_model") == 1
    if not is_fisheye and model not in PINHOLE_MODELS:
        raise UserError(
            f"the distortion model {model[:40]!r} is not one of {', '.join(PINHOLE_MODELS[2:])}, "
            f"{', '.join(FISHEYE_MODELS)}; undistort the images"
        )
    supported = 4 if is_fisheye else 5
    if any(number != 0 for number in numbers[supported:]):
        raise UserError(
            f"distortion has {len(numbers)} coefficients, of which {supported} are supported; "
            "undistort the images"
        )
    return (numbers + [0.0] * supported)[:supported]


def _data(value: Any) -> Any:
    """The numbers of a matrix that ROS and OpenCV write as rows, cols and data."""
    return value["data"] if isinstance(value, dict) and "data" in value else value
