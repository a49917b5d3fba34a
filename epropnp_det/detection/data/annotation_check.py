"""Checks of an annotation file beyond its entries: in agreement with each other, with the images,
and with the classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.file_checks import Fault
from epropnp_det.engine.images import whole_image_size
from epropnp_det.engine.record_checks import shown
from epropnp_det.errors import UserError

from .annotation_completion import Links
from .annotation_file import find_record_faults
from .annotation_schema import place
from .class_set import ClassSet
from .frames import RigidTransform
from .label_agreement import MIN_OVERLAP, SLIVER, overlap

# Feet for metres are 3.3 times as large; small trailers, half as large as the mean of nuScenes.
_SIZE_RATIO = (0.2, 2.5)
# Mean of the absolute logarithms of side over mean side; classes differ from nuScenes' by less.
_CLEAR_MISFIT = 0.25
_STRONG_TILT = math.radians(80)


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
    sizes, unreadable = _read_sizes(data["images"], data_root)
    yield from unreadable
    for index, image in enumerate(data["images"]):
        yield from _image_faults(place("images", index, image), image, sizes)
    for category in links.categories:
        if category["name"] not in class_set.class_names:
            names = ", ".join(class_set.class_names)
            rule = f"categories are among {names}; others are not trained on"
            yield Fault(rule, "categories", repr(category["name"]))
    yield from _box_faults(data["annotations"], links, sizes, class_set)
    yield from _size_faults(data["annotations"], links, class_set)
    yield from _repeated_boxes(data["annotations"], links)


def find_doubts(data: Mapping[str, Any]) -> Iterator[str]:
    """What is possible, and probably a mistake.

    Args:
        data: content of a file whose entries have no mistakes.
    """
    sideways = [image for image in data["images"] if _points_sideways(image)]
    if sideways:
        yield (
            f"cam2ego_rotation of {len(sideways)} images, first {sideways[0]['file_name']}, does "
            "not have the camera upright; it leads from the camera (x right, y down, z forward) to "
            "the vehicle (x forward, y left, z up), for a level camera 0.5, -0.5, 0.5, -0.5"
        )


def _points_sideways(image: Mapping[str, Any]) -> bool:
    """Whether the camera's y axis does not point down in the vehicle, up to a strong tilt."""
    if "cam2ego_rotation" not in image:
        return False
    to_ego = RigidTransform.from_quaternion(image["cam2ego_rotation"], (0.0, 0.0, 0.0))
    return bool(to_ego.rotation[2, 1] > -math.cos(_STRONG_TILT))


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


def _read_sizes(
    images: Sequence[Mapping[str, Any]], data_root: str | Path
) -> tuple[dict[str, tuple[int, int]], list[Fault]]:
    """Width and height of the images that can be read, by file name, and what is wrong with the
    others.
    """
    sizes = {}
    faults = []
    for index, image in enumerate(tqdm(images, desc="images", unit="image", disable=None)):
        try:
            sizes[image["file_name"]] = whole_image_size(file_under(data_root, image["file_name"]))
        except UserError as error:
            rule = "every image is there and can be read"
            faults.append(Fault(rule, place("images", index, image), str(error)))
    return sizes, faults


def _image_faults(
    where: str, image: Mapping[str, Any], sizes: Mapping[str, tuple[int, int]]
) -> Iterator[Fault]:
    """What disagrees with the size of the file, where that is known."""
    size = sizes.get(image["file_name"])
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


def _box_faults(
    records: Sequence[Mapping[str, Any]],
    links: Links,
    sizes: Mapping[str, tuple[int, int]],
    class_set: ClassSet,
) -> Iterator[Fault]:
    """Mistakes of single boxes: of their rectangles and attributes."""
    for index, record in enumerate(tqdm(records, desc="boxes", unit="box", disable=None)):
        image = links.image(record)
        where = f"annotations[{index}] in {image['file_name']}"
        yield from _rectangle_faults(where, record, _with_size(image, sizes))
        name = links.category(record)["category_name"]
        yield from attribute_faults(where, record, name, class_set)


def _rectangle_faults(
    where: str, record: Mapping[str, Any], image: Mapping[str, Any]
) -> Iterator[Fault]:
    """A 2D box that is not where the 3D box is."""
    if "bbox" not in record or "width" not in image:
        return
    x, y, width, height = record["bbox"]
    if not (-width < x < image["width"] and -height < y < image["height"]):
        yield Fault("bbox lies in the image, at least in part", where, shown(record["bbox"]))
    elif min(width, height) >= SLIVER:
        share = overlap(np.array(record["bbox_cam3d"], dtype=np.float64), record["bbox"], image)
        if share < MIN_OVERLAP:
            rule = (
                "bbox is what the image shows of bbox_cam3d (is y the middle of the box, the yaw "
                "that of conventions.md, the size l, h, w?)"
            )
            yield Fault(rule, where, f"they overlap by {share:.2f}")


def _size_faults(
    annotations: Sequence[Mapping[str, Any]], links: Links, class_set: ClassSet
) -> Iterator[Fault]:
    """Sizes in another unit or order than those of the class set, by the medians of the classes."""
    sizes: dict[str, list[list[float]]] = {}
    for record in annotations:
        name = links.category(record)["category_name"]
        sizes.setdefault(name, []).append(record["bbox_cam3d"][3:6])
    means = dict(zip(class_set.class_names, class_set.size_mean or ()))
    ratios = []  # log of each median over each mean side
    for name in (each for each in means if each in sizes):
        median = np.log(np.median(sizes[name], axis=0))
        ratios.append(median[:, None] - np.log(means[name]))
        scale = math.exp(ratios[-1].diagonal().mean())
        if not _SIZE_RATIO[0] < scale < _SIZE_RATIO[1]:
            rule = "sizes are in metres and near the size_mean of their class"
            yield Fault(rule, f"class {name}", f"the median is {scale:.2g} times as large")
    if ratios:
        misfit = np.abs(ratios).mean(axis=0)
        orders = {order: misfit[order, range(3)].mean() for order in permutations(range(3))}
        best = min(orders, key=lambda order: orders[order])
        if orders[best] + _CLEAR_MISFIT < orders[0, 1, 2]:
            # The side at place i of the file is the one whose mean has the place best.index(i).
            found = ", ".join("lhw"[best.index(place)] for place in range(3))
            yield Fault("sizes have the order l, h, w", "bbox_cam3d", f"{found} fits size_mean")


def _repeated_boxes(annotations: Sequence[Mapping[str, Any]], links: Links) -> Iterator[Fault]:
    seen = set()
    for index, record in enumerate(annotations):
        file = links.image(record)["file_name"]
        box = (file, links.category(record)["category_name"], *record["bbox_cam3d"])
        if box in seen:
            where = f"annotations[{index}] in {file}"
            yield Fault("a box is in an image once", where, shown(record["bbox_cam3d"]))
        seen.add(box)
