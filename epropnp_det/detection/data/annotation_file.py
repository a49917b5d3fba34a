"""The annotation file: one JSON of images, annotations and categories. Reading checks it; writing
is atomic.

docs/reference/data.md has the schema. It is mmdet3d's `*_mono3d.coco.json` with more keys, so
its own files are read too.
"""

from __future__ import annotations

import json
import math
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.errors import UserError

from .projection import corners_of_yaw_box, truncation

SCHEMA = "epropnp_det/1"
FULLY_VISIBLE = 4  # the devkit's token for 80-100 %; also where the visibility is unknown
REMEDY = "write it anew with tools/create_data.py"

_IMAGE_KEYS = (
    "id",
    "token",
    "file_name",
    "width",
    "height",
    "cam_intrinsic",
    "cam2ego_rotation",
    "cam2ego_translation",
    "ego2global_rotation",
    "ego2global_translation",
)
_ANNOTATION_KEYS = ("image_id", "category_id", "bbox", "bbox_cam3d", "velo_cam3d", "attribute_id")
_OUR_IMAGE_KEYS = (*_IMAGE_KEYS, "range_origin")
_OUR_ANNOTATION_KEYS = (
    *_ANNOTATION_KEYS,
    "visibility",
    "truncation",
    "velocity_known",
    "num_lidar_pts",
    "instance_token",
)


def file_name(split: str, version: str = "v1.0-trainval") -> str:
    """Name of the annotation file of a split: "train", "val" or "test". The mini version has its
    own, as it has its own scenes.
    """
    tag = "nuscenes_mini" if version.endswith("mini") else "nuscenes"
    return f"{tag}_infos_{split}_mono3d.coco.json"


def is_ours(data: dict) -> bool:
    """Whether `data` carries our additional keys; otherwise it is a file as mmdet3d writes it."""
    return isinstance(data.get("info"), dict) and "schema" in data["info"]


def read_annotations(path: str | Path) -> dict:
    """Reads and checks an annotation file.

    Raises:
        UserError: the file is missing, is not JSON, has another schema (naming entry and key), or
            names files outside the data root.
    """
    data = _load(Path(path))
    _check_top(data, path)
    ours = is_ours(data)
    _check_entries(data["images"], "images", _OUR_IMAGE_KEYS if ours else _IMAGE_KEYS, path)
    _check_entries(
        data["annotations"], "annotations", _OUR_ANNOTATION_KEYS if ours else _ANNOTATION_KEYS, path
    )
    _check_entries(data["categories"], "categories", ("id", "name"), path)
    for image in data["images"]:
        _check_image(image, path)
    _check_links(data, path)
    return data


def upgrade(data: dict) -> dict:
    """A file as mmdet3d writes it with the keys of ours added, as well as they can be known; ours
    is returned as it is.

    Its `ego2global_*` is the LiDAR's pose for all six cameras, so that is where ranges count from.
    Boxes count as visible, of objects without a name.
    """
    if is_ours(data):
        return data
    images = [dict(image, range_origin=image["ego2global_translation"]) for image in data["images"]]
    by_id = {image["id"]: image for image in images}
    annotations = [
        _upgraded(annotation, by_id[annotation["image_id"]]) for annotation in data["annotations"]
    ]
    return dict(data, images=images, annotations=annotations)


def _upgraded(annotation: dict, image: dict) -> dict:
    corners = corners_of_yaw_box(np.array(annotation["bbox_cam3d"], dtype=np.float64))
    return dict(
        annotation,
        visibility=FULLY_VISIBLE,
        instance_token="",
        truncation=truncation(
            corners, np.array(image["cam_intrinsic"]), image["width"], image["height"]
        ),
        velocity_known=all(
            value is not None and math.isfinite(value) for value in annotation["velo_cam3d"]
        ),
    )


def write_json(data: dict, path: str | Path) -> None:
    """Writes `data` as JSON without NaN; a reader never sees half a file, an interrupted run leaves
    the old one.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            json.dump(data, file, allow_nan=False)
    except OSError as error:
        raise UserError(
            f"cannot write into {path.parent}: {error.strerror}; name another folder"
        ) from error


def check_inside_root(name: str) -> None:
    """Raises `UserError` for a file name that is absolute or climbs out of the data root."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if not name or parts.is_absolute() or ".." in parts.parts:
        raise UserError(
            f"file name {name!r} leaves the data root; names must be relative to it and free of "
            "'..'"
        )


def _load(path: Path) -> dict:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError as error:
        raise UserError(f"annotation file {path} not found; {REMEDY}") from error
    except OSError as error:
        raise UserError(f"annotation file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # not JSON, or not text at all
        raise UserError(f"annotation file {path} is not JSON ({error}); {REMEDY}") from error


def _check_top(data: Any, path: str | Path) -> None:
    for key in ("images", "annotations", "categories"):
        if not isinstance(data, dict) or not isinstance(data.get(key), list):
            raise UserError(f"annotation file {path} has another schema: no list '{key}'; {REMEDY}")
    if is_ours(data) and data["info"]["schema"] != SCHEMA:
        raise UserError(
            f"annotation file {path} has schema {data['info']['schema']!r}, this program reads "
            f"{SCHEMA!r}; {REMEDY}"
        )
    if not data["images"]:
        raise UserError(f"annotation file {path} lists no image; {REMEDY}")


def _check_entries(entries: list, name: str, keys: tuple[str, ...], path: str | Path) -> None:
    for index, entry in enumerate(entries):
        for key in keys:
            if not isinstance(entry, dict) or key not in entry:
                raise UserError(
                    f"annotation file {path} has another schema: {name}[{index}] has no key "
                    f"'{key}'; {REMEDY}"
                )


def _check_image(image: dict, path: str | Path) -> None:
    try:
        check_inside_root(image["file_name"])
    except UserError as error:
        raise UserError(f"annotation file {path}: {error}") from error
    if np.shape(image["cam_intrinsic"]) != (3, 3):
        raise UserError(
            f"annotation file {path}: 'cam_intrinsic' of {image['file_name']} is not a 3x3 matrix"
        )


def _check_links(data: dict, path: str | Path) -> None:
    images = {image["id"] for image in data["images"]}
    categories = {category["id"] for category in data["categories"]}
    for index, annotation in enumerate(data["annotations"]):
        for key, known in (("image_id", images), ("category_id", categories)):
            if annotation[key] not in known:
                raise UserError(
                    f"annotation file {path}: annotations[{index}] has {key} {annotation[key]!r}, "
                    "which the file does not list"
                )
