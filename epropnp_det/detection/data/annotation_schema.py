"""The form of an annotation file: which keys its entries have, of which type, in which range.

The types below are the one source: the checks, their messages and `annotation_file.schema.json`,
which editors and other programs read, are made from them. docs/reference/data.md explains the keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, NotRequired

import numpy as np
from pydantic import AfterValidator, Field, Strict, TypeAdapter
from typing_extensions import TypedDict

from epropnp_det.engine.confined_names import check_inside_root
from epropnp_det.engine.file_checks import Fault
from epropnp_det.engine.record_checks import (
    IS_CAMERA,
    Coordinate,
    Count,
    Flag,
    Id,
    Number,
    Quaternion,
    RecordForm,
    Text,
    Triple,
    described,
    is_shown_whole,
)

SCHEMA_FILE = "annotation_file.schema.json"
MIN_DEPTH = 1e-3  # m
MAX_DISTANCE = 1e3  # m
MAX_SPEED = 150.0  # m/s
_ROTATION_ROUNDING = 1e-3


def _rotation(rows: tuple) -> tuple:
    matrix = np.array(rows)
    is_orthogonal = np.allclose(matrix @ matrix.T, np.eye(3), atol=_ROTATION_ROUNDING)
    if not is_orthogonal or np.linalg.det(matrix) < 0:
        raise ValueError("no rotation")
    return rows


FileName = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(check_inside_root),
    described(
        "file_name is the path of an image, relative to the data root, printable and free of '..'"
    ),
]
Side = Annotated[int, Strict(), Field(gt=0, le=100_000)]
CameraMatrix = Annotated[tuple[Triple, Triple, Triple], IS_CAMERA]
Distance = Annotated[
    Number,
    Field(ge=-MAX_DISTANCE, le=MAX_DISTANCE),
    described("the centre x, y, z of bbox_cam3d is within 1000 m of the camera"),
]
Depth = Annotated[
    Number,
    Field(ge=MIN_DEPTH, le=MAX_DISTANCE),
    described(
        "a box lies in front of its camera: z of bbox_cam3d is positive, from 0.001 to 1000 m"
    ),
]
Length = Annotated[
    Number,
    Field(ge=0.01, le=100),
    described("the size l, h, w of bbox_cam3d is positive, from 0.01 to 100 m"),
]
Yaw = Annotated[
    Number, Field(ge=-4 * math.pi, le=4 * math.pi), described("the yaw of bbox_cam3d is in rad")
]
Extent = Annotated[Coordinate, Field(gt=0), described("width and height of bbox are positive")]
Speed = Annotated[Number, Field(ge=-MAX_SPEED, le=MAX_SPEED)] | None


class ImageRecord(TypedDict):
    """An image and its camera."""

    id: NotRequired[Annotated[Id, described("id is a whole number or a text")]]
    token: NotRequired[
        Annotated[Id, described("token is a whole number or a text, common to a moment's images")]
    ]
    file_name: FileName
    width: NotRequired[Annotated[Side, described("width is a whole number of pixels")]]
    height: NotRequired[Annotated[Side, described("height is a whole number of pixels")]]
    cam_intrinsic: Annotated[
        CameraMatrix,
        described(
            "cam_intrinsic is a 3x3 matrix and finite, with positive focal lengths and a last row "
            "0 0 1"
        ),
    ]
    cam2ego_rotation: NotRequired[
        Annotated[Quaternion, described("cam2ego_rotation is a unit quaternion w, x, y, z")]
    ]
    cam2ego_translation: NotRequired[
        Annotated[Triple, described("cam2ego_translation is 3 finite numbers, m")]
    ]
    ego2global_rotation: NotRequired[
        Annotated[Quaternion, described("ego2global_rotation is a unit quaternion w, x, y, z")]
    ]
    ego2global_translation: NotRequired[
        Annotated[Triple, described("ego2global_translation is 3 finite numbers, m")]
    ]
    range_origin: NotRequired[Annotated[Triple, described("range_origin is 3 finite numbers, m")]]
    level_rotation: NotRequired[
        Annotated[
            tuple[Triple, Triple, Triple],
            AfterValidator(_rotation),
            described("level_rotation is a 3x3 rotation"),
        ]
    ]
    distortion: NotRequired[
        Annotated[
            tuple[Number, ...],
            Field(min_length=4, max_length=5),
            described("distortion is 5 finite numbers, or 4 of a fisheye"),
        ]
    ]


class AnnotationRecord(TypedDict):
    """A box in an image. `image_id` or `file_name` names the image, `category_id` or
    `category_name` the class."""

    id: NotRequired[Annotated[Id, described("id is a whole number or a text")]]
    image_id: NotRequired[Annotated[Id, described("image_id is the id of an image")]]
    file_name: NotRequired[FileName]
    category_id: NotRequired[Annotated[Id, described("category_id is the id of a category")]]
    category_name: NotRequired[
        Annotated[Text, described("category_name is the name of a category")]
    ]
    bbox_cam3d: Annotated[
        tuple[Distance, Distance, Depth, Length, Length, Length, Yaw],
        described("bbox_cam3d is 7 finite numbers: x, y, z, l, h, w, yaw"),
    ]
    bbox: NotRequired[
        Annotated[
            tuple[Coordinate, Coordinate, Extent, Extent],
            described("bbox is 4 finite numbers: x, y, width, height"),
        ]
    ]
    center2d: NotRequired[Annotated[Triple, described("center2d is 3 finite numbers: u, v, depth")]]
    velo_cam3d: NotRequired[
        Annotated[
            tuple[Speed, Speed] | None,
            described("velo_cam3d is 2 numbers vx, vz within 150 m/s, or null where unknown"),
        ]
    ]
    velocity_known: NotRequired[Annotated[Flag, described("velocity_known is true or false")]]
    attribute_id: NotRequired[
        Annotated[
            Count | None,
            described("attribute_id is the index of an attribute, or null where unknown"),
        ]
    ]
    attribute_known: NotRequired[Annotated[Flag, described("attribute_known is true or false")]]
    visibility: NotRequired[
        Annotated[
            int, Strict(), Field(ge=1, le=4), described("visibility is a whole number from 1 to 4")
        ]
    ]
    truncation: NotRequired[
        Annotated[Number, Field(ge=0, le=1), described("truncation is a number from 0 to 1")]
    ]
    num_lidar_pts: NotRequired[
        Annotated[Count, described("num_lidar_pts is a whole number, at least 0")]
    ]
    instance_token: NotRequired[
        Annotated[Id, described("instance_token is a text or a whole number")]
    ]


class CategoryRecord(TypedDict):
    """A class of the file."""

    id: Annotated[Id, described("id is a whole number or a text")]
    name: Annotated[Text, Field(min_length=1), described("name is a text")]


class AnnotationFile(TypedDict):
    """Annotation file of epropnp_det. Only the keys that are required must be there; the reader
    computes the others, or treats them as unknown."""

    info: NotRequired[dict]
    images: Annotated[list[ImageRecord], Field(min_length=1)]
    annotations: list[AnnotationRecord]
    categories: NotRequired[list[CategoryRecord]]


FORMS = dict(
    images=RecordForm("images", ImageRecord),
    annotations=RecordForm("annotations", AnnotationRecord),
    categories=RecordForm("categories", CategoryRecord),
)


def json_schema() -> dict:
    """The JSON schema (draft 2020-12) of the file."""
    schema = TypeAdapter(AnnotationFile).json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def record_faults(name: str, index: int, record: Any) -> Iterator[Fault]:
    """The mistakes of an entry: one for each key that is missing, or has a wrong value.

    Args:
        name: the list, "images", "annotations" or "categories".
        index: place of the entry in the list.
        record: the entry.
    """
    return FORMS[name].faults(record, place(name, index, record))


def place(name: str, index: int, record: Any) -> str:
    """Name of an entry in a message."""
    file = record.get("file_name") if isinstance(record, dict) else None
    if not is_shown_whole(file):
        return f"{name}[{index}]"
    return f"image {file}" if name == "images" else f"{name}[{index}] in {file}"
