"""The form of BOP's JSON files: which keys their entries have, of which type, in which range."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NotRequired

import numpy as np
from pydantic import AfterValidator, Field, Strict
from typing_extensions import TypedDict

from epropnp_det.engine.outside_files import check_depth, read_json
from epropnp_det.engine.record_checks import (
    IS_CAMERA,
    Coordinate,
    Number,
    RecordForm,
    Triple,
    described,
)
from epropnp_det.errors import UserError

MAX_MM = 1e6
MAX_ID = 999_999_999
_MAX_DIGITS = 9
_Whole = Annotated[int, Strict(), Field(ge=0, le=MAX_ID)]
_Millimetres = Annotated[Number, Field(ge=-MAX_MM, le=MAX_MM)]
_Place = tuple[_Millimetres, _Millimetres, _Millimetres]
_Nine = Annotated[tuple[_Millimetres, ...], Field(min_length=9, max_length=9)]
_Sixteen = Annotated[tuple[_Millimetres, ...], Field(min_length=16, max_length=16)]
_Box = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
_Side = Annotated[Coordinate, Field(gt=0)]
_Pixels = Annotated[Number, Field(gt=0, le=100_000)]
_Focal = Annotated[Number, Field(gt=0, le=1e6)]


def _axis(numbers: tuple) -> tuple:
    if not np.linalg.norm(numbers) > 0:
        raise ValueError("no axis")
    return numbers


class _Camera(TypedDict):
    cam_K: Annotated[
        Annotated[tuple[Number, ...], Field(min_length=9, max_length=9)],
        IS_CAMERA,
        described(
            "cam_K is a list of 9 finite numbers, with positive focal lengths and a last row 0 0 1"
        ),
    ]


class _Object(TypedDict):
    obj_id: Annotated[_Whole, described("obj_id is a whole number from 0")]
    cam_R_m2c: Annotated[
        _Nine, described("cam_R_m2c is a list of 9 finite numbers, a rotation row by row")
    ]
    cam_t_m2c: Annotated[
        _Place, described("cam_t_m2c is a list of 3 finite numbers up to a million mm")
    ]


class _ObjectInfo(TypedDict):
    bbox_obj: NotRequired[
        Annotated[_Box, described("bbox_obj is a list of 4 finite numbers: x, y, w, h")]
    ]
    bbox_visib: NotRequired[
        Annotated[_Box, described("bbox_visib is a list of 4 finite numbers: x, y, w, h")]
    ]
    visib_fract: NotRequired[
        Annotated[Number | None, described("visib_fract is a number from 0 to 1, or null")]
    ]


class _Target(TypedDict):
    scene_id: Annotated[_Whole, described("scene_id is a whole number from 0")]
    im_id: Annotated[_Whole, described("im_id is a whole number from 0")]
    obj_id: Annotated[_Whole, described("obj_id is a whole number from 0")]
    inst_count: Annotated[
        int, Strict(), Field(ge=1, le=MAX_ID), described("inst_count is a whole number from 1")
    ]


class _Detection(TypedDict):
    scene_id: Annotated[_Whole, described("scene_id is a whole number from 0")]
    image_id: Annotated[_Whole, described("image_id is a whole number from 0")]
    category_id: Annotated[_Whole, described("category_id is a whole number from 0")]
    bbox: Annotated[
        tuple[Coordinate, Coordinate, _Side, _Side],
        described("bbox is a list of 4 finite numbers x, y, w, h with a positive size"),
    ]
    score: Annotated[Coordinate, described("score is a finite number")]
    time: NotRequired[Annotated[Coordinate, described("time is a finite number of seconds")]]


class _Turn(TypedDict):
    axis: Annotated[Triple, AfterValidator(_axis)]
    offset: _Place


class _Model(TypedDict):
    diameter: Annotated[
        Number, Field(gt=0, le=MAX_MM), described("diameter is a positive number of mm")
    ]
    min_x: Annotated[_Millimetres, described("min_x is a number of mm")]
    min_y: Annotated[_Millimetres, described("min_y is a number of mm")]
    min_z: Annotated[_Millimetres, described("min_z is a number of mm")]
    size_x: Annotated[Number, Field(ge=0, le=MAX_MM), described("size_x is a number of mm from 0")]
    size_y: Annotated[Number, Field(ge=0, le=MAX_MM), described("size_y is a number of mm from 0")]
    size_z: Annotated[Number, Field(ge=0, le=MAX_MM), described("size_z is a number of mm from 0")]
    symmetries_discrete: NotRequired[
        Annotated[
            list[_Sixteen], described("symmetries_discrete is a list of 4x4 matrices, 16 numbers")
        ]
    ]
    symmetries_continuous: NotRequired[
        Annotated[
            list[_Turn],
            described("symmetries_continuous is a list of 'axis', not 0, and 'offset'"),
        ]
    ]


class _CameraOfDataset(TypedDict):
    fx: Annotated[_Focal, described("fx is a positive number of pixels")]
    fy: Annotated[_Focal, described("fy is a positive number of pixels")]
    cx: Annotated[Coordinate, described("cx is a number of pixels")]
    cy: Annotated[Coordinate, described("cy is a number of pixels")]
    width: Annotated[_Pixels, described("width is a positive number of pixels")]
    height: Annotated[_Pixels, described("height is a positive number of pixels")]


CAMERA = RecordForm("entries of scene_camera.json", _Camera)
OBJECT = RecordForm("objects of scene_gt.json", _Object)
OBJECT_INFO = RecordForm("objects of scene_gt_info.json", _ObjectInfo)
TARGET = RecordForm("targets", _Target)
DETECTION = RecordForm("detections", _Detection)
MODEL = RecordForm("models of models_info.json", _Model)
CAMERA_OF_DATASET = RecordForm("camera.json", _CameraOfDataset)


def read_bop_json(path: Path, remedy: str) -> Any:
    """The content of a JSON file of a data set.

    Raises:
        UserError: the file cannot be read, is not JSON, or is nested too deeply.
    """
    content = read_json(path, "BOP file", remedy)
    check_depth(content, f"BOP file {path}", remedy)
    return content


def by_number(content: Any, where: str, remedy: str) -> dict[int, Any]:
    """The entries of a file that has them by number.

    Raises:
        UserError: another form, or two keys of one number, such as "1" and "01".
    """
    if not isinstance(content, dict) or not all(map(is_number, content)):
        raise UserError(f"{where} does not map numbers to entries; {remedy}")
    numbered = {int(key): value for key, value in content.items()}
    if len(numbered) < len(content):
        raise UserError(f"{where} has two entries of one number; {remedy}")
    return numbered


def is_number(key: str) -> bool:
    """Whether a key or a name is a number of BOP: a scene, an image or an object."""
    return key.isascii() and key.isdigit() and len(key) <= _MAX_DIGITS
