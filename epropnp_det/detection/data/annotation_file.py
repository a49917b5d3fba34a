"""The annotation file: one JSON of images, annotations and categories. Reading checks it; writing
is atomic.

docs/reference/data.md explains the keys. They are those of mmdet3d's `*_mono3d.coco.json` and a few
more, so its own files are read too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.file_checks import Fault, summarize
from epropnp_det.engine.output_files import writing
from epropnp_det.engine.outside_files import is_nested_deeply, read_json
from epropnp_det.engine.record_checks import shown
from epropnp_det.errors import UserError

from .annotation_completion import Links, complete
from .annotation_schema import FORMS, place, record_faults
from .label_agreement import find_size_order

SCHEMA = "epropnp_det/1"
# A training compares each box of an image with each point of its feature maps.
MAX_BOXES_PER_IMAGE = 9_999
REMEDY = (
    "docs/reference/data.md has the keys, and tools/validate_data.py compares the file with its "
    "images"
)
_KINDS_SHOWN = 8
_UNIQUE = (
    ("images", "file_name"),
    ("annotations", "id"),
    ("categories", "id"),
    ("categories", "name"),
)


def file_name(split: str, version: str = "v1.0-trainval") -> str:
    """Name of the annotation file of a split: "train", "val" or "test". The mini version has its
    own, as it has its own scenes.
    """
    tag = "nuscenes_mini" if version.endswith("mini") else "nuscenes"
    return f"{tag}_infos_{split}_mono3d.coco.json"


def is_ours(data: dict) -> bool:
    """Whether `data` names our schema; otherwise it is a file as mmdet3d writes it, or one with the
    mandatory keys alone."""
    return isinstance(data.get("info"), dict) and "schema" in data["info"]


def has_lidar_poses(data: dict) -> bool:
    """Whether `ego2global_*` of the images are the LiDAR's, as mmdet3d's converter writes them."""
    return not is_ours(data) and any("ego2global_translation" in each for each in data["images"])


def read_annotations(path: str | Path) -> dict:
    """Reads and checks an annotation file. Optional keys may be missing: see `complete`.

    Raises:
        UserError: the file is missing, is not JSON, or has mistakes: all kinds in one message, each
            with its first place.
    """
    data = parse_annotations(path)
    lines = summarize(find_record_faults(data))
    if lines:
        more = len(lines) - _KINDS_SHOWN
        rest = f"; and {more} kinds of mistakes more" if more > 0 else ""
        raise UserError(
            f"annotation file {path}: {'; '.join(lines[:_KINDS_SHOWN])}{rest}; {REMEDY}"
        )
    order = find_size_order(_comparable(data))
    if order is not None:
        raise UserError(
            f"annotation file {path}: bbox agrees with bbox_cam3d only if its sizes have the order "
            f"{order}, and here the order is l, h, w (mmdet3d before 1.0 wrote w, l, h and another "
            "yaw); write the file again with the right order and yaw"
        )
    return data


def parse_annotations(path: str | Path) -> dict:
    """The content of an annotation file, whose entries `find_record_faults` checks.

    Raises:
        UserError: the file is missing, is not JSON, or has not the lists of an annotation file.
    """
    remedy = f"write it with tools/create_data.py; {REMEDY}"
    data = read_json(path, "annotation file", remedy)
    _check_top(data, path)
    return data


def upgrade(data: dict, data_root: str | Path | None = None) -> dict:
    """`annotation_completion.complete`, under the name that it had before."""
    return complete(data, data_root)


def find_record_faults(data: Mapping[str, Any]) -> Iterator[Fault]:
    """All mistakes of the entries that need no image: keys, types, ranges, ids that are not unique,
    references to entries that the file does not have.

    Args:
        data: with lists of entries, "images", "annotations" and, where there are any, "categories".
    """
    sound: dict[str, list[tuple[int, dict]]] = {}
    for name in FORMS:
        records = list(enumerate(data.get(name, ())))
        sound[name] = [(index, record) for index, record in records if FORMS[name].is_sound(record)]
        if len(sound[name]) < len(records):
            for index, record in records:
                yield from record_faults(name, index, record)
    ids = [(index, each.get("id", each["file_name"])) for index, each in sound["images"]]
    yield from _repeated("images", "id", ids)
    for name, key in _UNIQUE:
        values = [(index, each[key]) for index, each in sound[name] if key in each]
        yield from _repeated(name, key, values)
    for index, image in sound["images"]:
        if ("width" in image) != ("height" in image):
            rule = "images have both width and height, or neither of them"
            yield Fault(rule, place("images", index, image), "one of them")
    yield from _dead_references(data, sound["annotations"])
    yield from _crowded_images(sound["annotations"])


def write_json(data: dict, path: str | Path) -> None:
    """Writes `data` as JSON without NaN, and the folders above the file; a reader never sees half a
    file, an interrupted run leaves the old one.

    Raises:
        UserError: the file cannot be written.
    """
    path = Path(path)
    with writing(path), replacing(path) as file:
        json.dump(data, file, allow_nan=False)


def _comparable(data: dict) -> list[tuple[dict, dict]]:
    """The annotations that have a 2D box, with their images, whose size is known."""
    links = Links(data["images"], data.get("categories", ()), data["annotations"])
    pairs = [(each, links.image(each)) for each in data["annotations"] if "bbox" in each]
    return [(annotation, image) for annotation, image in pairs if "width" in image]


def _check_top(data: Any, path: str | Path) -> None:
    for name in FORMS:
        optional = name == "categories"
        if not isinstance(data, dict) or not isinstance(
            data.get(name, [] if optional else None), list
        ):
            raise UserError(
                f"annotation file {path} has another schema: no list '{name}'; {REMEDY}"
            )
    if is_ours(data):
        _check_info(data["info"], path)
    if not data["images"]:
        raise UserError(f"annotation file {path} lists no image; {REMEDY}")
    others = {key: value for key, value in data.items() if key not in FORMS}
    if is_nested_deeply(others):
        raise UserError(f"annotation file {path} has keys that are nested too deeply; {REMEDY}")


def _check_info(info: dict, path: str | Path) -> None:
    if info["schema"] != SCHEMA:
        raise UserError(
            f"annotation file {path} has schema {shown(info['schema'])}, this program reads "
            f"{SCHEMA!r}; {REMEDY}"
        )
    for key in ("version", "split"):
        if not isinstance(info.get(key, ""), str):
            raise UserError(
                f"annotation file {path}: {key} of info is a text, not {shown(info[key])}; {REMEDY}"
            )


def _repeated(name: str, key: str, values: Iterable[tuple[int, Any]]) -> Iterator[Fault]:
    seen = set()
    for index, value in values:
        if value in seen:
            yield Fault(f"{key} of {name} is unique", f"{name}[{index}]", shown(value))
        seen.add(value)


def _dead_references(
    data: Mapping[str, Any], annotations: Sequence[tuple[int, dict]]
) -> Iterator[Fault]:
    """Boxes of images or categories that the file does not list, also not with mistakes."""
    images = [each for each in data["images"] if isinstance(each, dict)]
    by_id = _keys(each.get("id", each.get("file_name")) for each in images)
    by_file = _keys(each.get("file_name") for each in images)
    categories = [each for each in data.get("categories", ()) if isinstance(each, dict)]
    ids = _keys(each.get("id") for each in categories)
    names = _keys(each.get("name") for each in categories)
    for index, record in annotations:
        where = f"annotations[{index}]"
        if "image_id" in record and record["image_id"] not in by_id:
            yield Fault(
                "image_id is the id of an image in the file", where, shown(record["image_id"])
            )
        elif "image_id" not in record and record.get("file_name") not in by_file:
            rule = "annotations name an image in the file, by image_id or file_name"
            yield Fault(rule, where, shown(record.get("file_name", "neither")))
        if ids and "category_id" in record:
            if record["category_id"] not in ids:
                rule = "category_id is the id of a category in the file"
                yield Fault(rule, where, shown(record["category_id"]))
        elif "category_name" not in record or (names and record["category_name"] not in names):
            rule = "annotations name a category, by category_id or category_name"
            yield Fault(rule, where, shown(record.get("category_name", "neither")))


def _crowded_images(annotations: Sequence[tuple[int, dict]]) -> Iterator[Fault]:
    """Images with too many boxes."""
    names = [each.get("image_id", each.get("file_name")) for _, each in annotations]
    for name, count in Counter(names).items():
        if count > MAX_BOXES_PER_IMAGE:
            rule = f"an image has at most {MAX_BOXES_PER_IMAGE} boxes"
            yield Fault(rule, f"annotations of image {shown(name)}", f"{count} boxes")


def _keys(values: Iterable[Any]) -> set:
    return {value for value in values if isinstance(value, (int, str))}
