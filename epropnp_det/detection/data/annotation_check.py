"""Checks of an annotation file beyond its schema: possible values, in agreement with each other and
with the images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from epropnp_det.engine.file_checks import Fault

from .class_set import ClassSet
from .projection import areas, box_in_image, corners_of_yaw_box

# Rounding and tilted cameras leave more than this to a right box; a bottom centre taken for the
# middle leaves less.
MIN_OVERLAP = 0.7
# px; of boxes at the image border there may be so little to see that the tilt decides about all of
# it.
_SLIVER = 12.0
_UNIT_NORM = 1e-3


def find_faults(
    data: Mapping[str, Any], data_root: str | Path, class_set: ClassSet
) -> Iterator[Fault]:
    """All mistakes of an annotation file, images first.

    Args:
        data: from `annotation_file.read_annotations`, which has checked the schema.
        data_root: folder of the images; only their sizes are read.
        class_set: classes and attributes that the file may have.
    """
    for image in tqdm(data["images"], desc="images", unit="image"):
        yield from _located(f"image {image['file_name']}", _image_faults(image, Path(data_root)))
    images = {image["id"]: image for image in data["images"]}
    names = {category["id"]: category["name"] for category in data["categories"]}
    for name in names.values():
        if name not in class_set.class_names:
            yield Fault(
                f"categories are among {', '.join(class_set.class_names)}; others are not trained "
                "on",
                "categories",
                repr(name),
            )
    for index, annotation in enumerate(tqdm(data["annotations"], desc="boxes", unit="box")):
        where = f"annotations[{index}] in {images[annotation['image_id']]['file_name']}"
        name = names[annotation["category_id"]]
        yield from _located(where, _box_faults(annotation, images[annotation["image_id"]]))
        yield from _located(where, _attribute_faults(annotation["attribute_id"], name, class_set))


def _located(where: str, pairs: Iterator[tuple[str, str]]) -> Iterator[Fault]:
    return (Fault(rule, where, found) for rule, found in pairs)


def _image_faults(image: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a rule and what breaks it."""
    expected = (image["width"], image["height"])
    try:
        with Image.open(root / image["file_name"]) as file:
            if file.size != expected:
                yield (
                    "width and height are those of the file",
                    f"{expected}, and the file has {file.size}",
                )
    except (OSError, UnidentifiedImageError) as error:
        yield "every image is there and can be read", type(error).__name__
    matrix = np.array(image["cam_intrinsic"], dtype=np.float64)
    if not (
        np.isfinite(matrix).all()
        and matrix[0, 0] > 0
        and matrix[1, 1] > 0
        and np.array_equal(matrix[2], (0, 0, 1))
    ):
        yield (
            "cam_intrinsic is finite, with positive focal lengths and a last row 0 0 1",
            str(matrix.tolist()),
        )
    elif not (0 < matrix[0, 2] < expected[0] and 0 < matrix[1, 2] < expected[1]):
        yield (
            "the principal point lies in the image: cam_intrinsic is in pixels of this image",
            str(matrix[:2, 2].tolist()),
        )
    for key in ("cam2ego_rotation", "ego2global_rotation"):
        if not (len(image[key]) == 4 and abs(math.hypot(*image[key]) - 1) < _UNIT_NORM):
            yield f"{key} is a unit quaternion w, x, y, z", str(image[key])


def _box_faults(
    annotation: Mapping[str, Any], image: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    box = np.array(annotation["bbox_cam3d"], dtype=np.float64)
    if box.shape != (7,) or not np.isfinite(box).all():
        yield "bbox_cam3d is 7 finite numbers: x, y, z, l, h, w, yaw", str(annotation["bbox_cam3d"])
        return
    if box[3:6].min() <= 0:
        yield "the size l, h, w of bbox_cam3d is positive", str(box[3:6].tolist())
        return
    if box[2] <= 0:
        yield "a box lies in front of its camera: z of bbox_cam3d is positive", f"z = {box[2]:g}"
    elif (
        min(annotation["bbox"][2:]) >= _SLIVER
        and (overlap := _overlap(box, annotation["bbox"], image)) < MIN_OVERLAP
    ):
        rule = (
            "bbox is what the image shows of bbox_cam3d (is y the middle of the box, the yaw that "
            "of conventions.md, the size l, h, w?)"
        )
        yield rule, f"they overlap by {overlap:.2f}"


def _attribute_faults(attribute: int, name: str, class_set: ClassSet) -> Iterator[tuple[str, str]]:
    none = len(class_set.attributes) - 1
    known = 0 <= attribute < len(class_set.attributes)
    if attribute != none and not (
        known and class_set.attributes[attribute] in class_set.attributes_of_class(name)
    ):
        yield f"attribute_id fits the class, or is {none} for none", f"{attribute} for a {name}"


def _overlap(box: np.ndarray, xywh: list[float], image: Mapping[str, Any]) -> float:
    """Intersection over union of the rectangle around the projected box, and the annotated one."""
    shown = box_in_image(
        corners_of_yaw_box(box), np.array(image["cam_intrinsic"]), image["width"], image["height"]
    )
    if shown is None:
        return 0.0
    given = np.array([xywh[0], xywh[1], xywh[0] + xywh[2], xywh[1] + xywh[3]])
    low = np.maximum(shown[:2], given[:2])
    high = np.minimum(shown[2:], given[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    return common / max(float(areas(shown) + areas(given)) - common, 1e-9)
