"""The form of an annotation file: which keys its entries have, of which type, in which range.

The types below are the one source: the checks, their messages and `annotation_file.schema.json`,
which editors and other programs read, are made from them. docs/reference/data.md explains the keys.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, NotRequired

import numpy as np
from pydantic import AfterValidator, Field, Strict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from epropnp_det.engine.file_checks import Fault
from epropnp_det.errors import UserError

SCHEMA_FILE = "annotation_file.schema.json"
_UNIT_NORM = 1e-3
_RANGE_KEYWORDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def check_inside_root(name: str) -> str:
    """The file name itself.

    Raises:
        UserError: it is absolute, climbs out of the data root, or has unprintable characters.
    """
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or not name.isprintable() or parts.is_absolute() or ".." in parts.parts:
        raise UserError(
            f"file name {name!r} leaves the data root; names must be printable, relative to it and "
            "free of '..'"
        )
    return name


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("unprintable")
    return name


def _camera_matrix(rows: tuple) -> tuple:
    matrix = np.array(rows)
    if min(matrix[0, 0], matrix[1, 1]) <= 0 or not np.array_equal(matrix[2], (0, 0, 1)):
        raise ValueError("no camera matrix")
    return rows


def _unit(quaternion: tuple) -> tuple:
    if abs(math.hypot(*quaternion) - 1) >= _UNIT_NORM:
        raise ValueError("not a unit quaternion")
    return quaternion


def _described(text: str) -> Any:
    return Field(description=text)


Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=0)]
Flag = Annotated[bool, Strict()]
Text = Annotated[str, AfterValidator(_printable)]
Id = Annotated[int, Strict()] | Text
FileName = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(check_inside_root),
    _described(
        "file_name is the path of an image, relative to the data root, printable and free of '..'"
    ),
]
Side = Annotated[int, Strict(), Field(gt=0, le=100_000)]
Row = tuple[Number, Number, Number]
Quaternion = Annotated[tuple[Number, Number, Number, Number], AfterValidator(_unit)]
Distance = Annotated[
    Number,
    Field(ge=-1e3, le=1e3),
    _described("the centre x, y, z of bbox_cam3d is within 1000 m of the camera"),
]
Depth = Annotated[
    Number,
    Field(gt=0, le=1e3),
    _described("a box lies in front of its camera: z of bbox_cam3d is positive, at most 1000 m"),
]
Length = Annotated[
    Number,
    Field(ge=0.01, le=100),
    _described("the size l, h, w of bbox_cam3d is positive, from 0.01 to 100 m"),
]
Yaw = Annotated[
    Number, Field(ge=-4 * math.pi, le=4 * math.pi), _described("the yaw of bbox_cam3d is in rad")
]
Extent = Annotated[Number, Field(gt=0), _described("width and height of bbox are positive")]
Speed = Annotated[Number, Field(ge=-150, le=150)] | None


class ImageRecord(TypedDict):
    """An image and its camera."""

    id: NotRequired[Annotated[Id, _described("id is a whole number or a text")]]
    token: NotRequired[
        Annotated[Id, _described("token is a whole number or a text, common to a moment's images")]
    ]
    file_name: FileName
    width: NotRequired[Annotated[Side, _described("width is a whole number of pixels")]]
    height: NotRequired[Annotated[Side, _described("height is a whole number of pixels")]]
    cam_intrinsic: Annotated[
        tuple[Row, Row, Row],
        AfterValidator(_camera_matrix),
        _described(
            "cam_intrinsic is a 3x3 matrix and finite, with positive focal lengths and a last row "
            "0 0 1"
        ),
    ]
    cam2ego_rotation: NotRequired[
        Annotated[Quaternion, _described("cam2ego_rotation is a unit quaternion w, x, y, z")]
    ]
    cam2ego_translation: NotRequired[
        Annotated[Row, _described("cam2ego_translation is 3 finite numbers, m")]
    ]
    ego2global_rotation: NotRequired[
        Annotated[Quaternion, _described("ego2global_rotation is a unit quaternion w, x, y, z")]
    ]
    ego2global_translation: NotRequired[
        Annotated[Row, _described("ego2global_translation is 3 finite numbers, m")]
    ]
    range_origin: NotRequired[Annotated[Row, _described("range_origin is 3 finite numbers, m")]]


class AnnotationRecord(TypedDict):
    """A box in an image. `image_id` or `file_name` names the image, `category_id` or
    `category_name` the class."""

    id: NotRequired[Annotated[Id, _described("id is a whole number or a text")]]
    image_id: NotRequired[Annotated[Id, _described("image_id is the id of an image")]]
    file_name: NotRequired[FileName]
    category_id: NotRequired[Annotated[Id, _described("category_id is the id of a category")]]
    category_name: NotRequired[
        Annotated[Text, _described("category_name is the name of a category")]
    ]
    bbox_cam3d: Annotated[
        tuple[Distance, Distance, Depth, Length, Length, Length, Yaw],
        _described("bbox_cam3d is 7 finite numbers: x, y, z, l, h, w, yaw"),
    ]
    bbox: NotRequired[
        Annotated[
            tuple[Number, Number, Extent, Extent],
            _described("bbox is 4 finite numbers: x, y, width, height"),
        ]
    ]
    center2d: NotRequired[Annotated[Row, _described("center2d is 3 finite numbers: u, v, depth")]]
    velo_cam3d: NotRequired[
        Annotated[
            tuple[Speed, Speed] | None,
            _described("velo_cam3d is 2 numbers vx, vz within 150 m/s, or null where unknown"),
        ]
    ]
    velocity_known: NotRequired[Annotated[Flag, _described("velocity_known is true or false")]]
    attribute_id: NotRequired[
        Annotated[
            Count | None,
            _described("attribute_id is the index of an attribute, or null where unknown"),
        ]
    ]
    attribute_known: NotRequired[Annotated[Flag, _described("attribute_known is true or false")]]
    visibility: NotRequired[
        Annotated[
            int, Strict(), Field(ge=1, le=4), _described("visibility is a whole number from 1 to 4")
        ]
    ]
    truncation: NotRequired[
        Annotated[Number, Field(ge=0, le=1), _described("truncation is a number from 0 to 1")]
    ]
    num_lidar_pts: NotRequired[
        Annotated[Count, _described("num_lidar_pts is a whole number, at least 0")]
    ]
    instance_token: NotRequired[
        Annotated[Id, _described("instance_token is a text or a whole number")]
    ]


class CategoryRecord(TypedDict):
    """A class of the file."""

    id: Annotated[Id, _described("id is a whole number or a text")]
    name: Annotated[Text, Field(min_length=1), _described("name is a text")]


class AnnotationFile(TypedDict):
    """Annotation file of epropnp_det. Only the keys that are required must be there; the reader
    computes the others, or treats them as unknown."""

    info: NotRequired[dict]
    images: Annotated[list[ImageRecord], Field(min_length=1)]
    annotations: list[AnnotationRecord]
    categories: NotRequired[list[CategoryRecord]]


_ADAPTERS: Mapping[str, TypeAdapter] = dict(
    images=TypeAdapter(ImageRecord),
    annotations=TypeAdapter(AnnotationRecord),
    categories=TypeAdapter(CategoryRecord),
)
_KEYS = {name: adapter.json_schema()["properties"] for name, adapter in _ADAPTERS.items()}
_REPR = reprlib.Repr()
_REPR.maxlist = 8
_REPR.maxstring = 60
_REPR.maxlong = 40
_REPR.maxother = 60


def json_schema() -> dict:
    """The JSON schema (draft 2020-12) of the file."""
    schema = TypeAdapter(AnnotationFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def is_sound(name: str, record: Any) -> bool:
    """Whether an entry of the list `name` ("images", "annotations", "categories") has the right
    keys, types and ranges."""
    return _ADAPTERS[name].validator.isinstance_python(record)


def record_faults(name: str, index: int, record: Any) -> Iterator[Fault]:
    """The mistakes of one entry: one for each key that is missing, or has a wrong value.

    Args:
        name: the list, "images", "annotations" or "categories".
        index: place of the entry in the list.
        record: the entry.
    """
    if is_sound(name, record):
        return
    where = place(name, index, record)
    try:
        _ADAPTERS[name].validate_python(record)
    except ValidationError as error:
        rules = dict.fromkeys(_rule(name, each) for each in error.errors(include_url=False))
    for rule, key in rules:
        if key is None:
            yield Fault(rule, where, shown(record))
        else:
            yield Fault(rule, where, shown(record[key]) if key in record else "missing")


def shown(value: Any) -> str:
    """A value in a message: one line, not long."""
    return _REPR.repr(value)


def place(name: str, index: int, record: Any) -> str:
    """Name of an entry in a message."""
    file = record.get("file_name") if isinstance(record, dict) else None
    if not isinstance(file, str) or not file.isprintable():
        return f"{name}[{index}]"
    return f"image {file}" if name == "images" else f"{name}[{index}] in {file}"


def _rule(name: str, error: Mapping[str, Any]) -> tuple[str, str | None]:
    """The rule that an error of pydantic is about, and its key."""
    if not error["loc"]:
        return f"each entry of {name} is an object", None
    key = error["loc"][0]
    if error["type"] == "missing" and len(error["loc"]) == 1:
        return f"{name} have the key '{key}'", key
    schema = _KEYS[name][key]
    if error["type"] in _RANGE_KEYWORDS and len(error["loc"]) == 2 and "prefixItems" in schema:
        part = schema["prefixItems"][error["loc"][1]]
        return part.get("description", schema["description"]), key
    return schema["description"], key
