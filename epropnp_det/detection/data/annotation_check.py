"""Checks of an annotation file beyond its entries: in agreement with each other, with the images,
and with the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.file_checks import Fault
from epropnp_det.engine.images import image_size
from epropnp_det.engine.record_checks import shown
from epropnp_det.errors import UserError

from .annotation_completion import Links
from .annotation_file import find_record_faults
from .annotation_schema import place
from .class_set import ClassSet
from .label_agreement import MIN_OVERLAP, SLIVER, overlap


def find_faults(
    data: Mapping[str, Any], data_root: str | Path, class_set: ClassSet
) -> Iterator[Fault]:
    """All mistakes of an annotation file. The checks of the entries come first; where they find
    mistakes, the others, which rely on them, are left out.

    Args:
        data: content of the file, with its optional keys or without them.
        data_root: folder of the images; only their sizes are read.
        class_set: classes and attributes that the file may have.
    """
    faulty = False
    for fault in find_record_faults(data):
        faulty = True
        yield fault
    if faulty:
        return
    links = Links(data["images"], data.get("categories", ()), data["annotations"])
    sizes = {}
    for index, image in enumerate(tqdm(data["images"], desc="images", unit="image", disable=None)):
        where = place("images", index, image)
        try:
            sizes[image["file_name"]] = image_size(Path(data_root, image["file_name"]))
        except UserError as error:
            yield Fault("every image is there and can be read", where, str(error))
        yield from _image_faults(where, image, sizes.get(image["file_name"]))
    for category in links.categories:
        if category["name"] not in class_set.class_names:
            names = ", ".join(class_set.class_names)
            rule = f"categories are among {names}; others are not trained on"
            yield Fault(rule, "categories", repr(category["name"]))
    for index, record in enumerate(
        tqdm(data["annotations"], desc="boxes", unit="box", disable=None)
    ):
        image = links.image(record)
        where = f"annotations[{index}] in {image['file_name']}"
        yield from _agreement_faults(where, record, _with_size(image, sizes))
        yield from attribute_faults(
            where, record, links.category(record)["category_name"], class_set
        )


def attribute_faults(
    where: str, annotation: Mapping[str, Any], name: str, class_set: ClassSet
) -> Iterator[Fault]:
    """An `attribute_id` that the class `name` cannot have; unknown ones fit every class."""
    attribute = annotation.get("attribute_id")
    none = len(class_set.attributes) - 1
    if attribute in (None, none) or annotation.get("attribute_known") is False:
        return
    known = attribute < len(class_set.attributes)
    if not known or class_set.attributes[attribute] not in class_set.attributes_of_class(name):
        rule = f"attribute_id fits the class, or is {none} for none and null for unknown"
        yield Fault(rule, where, f"{shown(attribute)} for a {name}")


def _image_faults(
    where: str, image: Mapping[str, Any], size: tuple[int, int] | None
) -> Iterator[Fault]:
    """What disagrees with the size of the file, which is None if it cannot be read."""
    given = (image["width"], image["height"]) if "width" in image else size
    if size is not None and given != size:
        rule = "width and height are those of the file"
        yield Fault(rule, where, f"{given}, and the file has {size}")
    u, v = (row[2] for row in image["cam_intrinsic"][:2])
    if given is not None and not (0 < u < given[0] and 0 < v < given[1]):
        rule = "the principal point lies in the image: cam_intrinsic is in pixels of this image"
        yield Fault(rule, where, str([u, v]))


def _with_size(image: Mapping[str, Any], sizes: Mapping[str, tuple[int, int]]) -> dict:
    """The image with a width and height, if they are in the file or the image can be read."""
    if "width" in image or image["file_name"] not in sizes:
        return dict(image)
    width, height = sizes[image["file_name"]]
    return dict(image, width=width, height=height)


def _agreement_faults(
    where: str, record: Mapping[str, Any], image: Mapping[str, Any]
) -> Iterator[Fault]:
    """A 2D box that is not where the 3D box is."""
    if "bbox" not in record or "width" not in image or min(record["bbox"][2:]) < SLIVER:
        return
    share = overlap(np.array(record["bbox_cam3d"], dtype=np.float64), record["bbox"], image)
    if share < MIN_OVERLAP:
        rule = (
            "bbox is what the image shows of bbox_cam3d (is y the middle of the box, the yaw that "
            "of conventions.md, the size l, h, w?)"
        )
        yield Fault(rule, where, f"they overlap by {share:.2f}")
