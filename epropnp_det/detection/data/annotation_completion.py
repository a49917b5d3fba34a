"""The optional keys of an annotation file: computed where they can be, unknown otherwise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import image_size
from epropnp_det.errors import DataWarning, UserError

from .projection import box_in_image, corners_of_yaw_box, project, truncation

FULLY_VISIBLE = 4  # the devkit's token for 80-100 %; also where the visibility is unknown
# A camera that faces forward and is level, in a vehicle with x forward, y left, z up; w, x, y, z.
LEVEL_CAMERA = (0.5, -0.5, 0.5, -0.5)
NO_ROTATION = (1.0, 0.0, 0.0, 0.0)
ORIGIN = (0.0, 0.0, 0.0)


def complete(data: Mapping[str, Any], data_root: str | Path | None = None) -> dict:
    """The content of an annotation file with every key; nothing that is there is changed.

    Args:
        data: from `annotation_file.read_annotations`.
        data_root: folder of the images, which are opened only where a width and height is missing.

    Returns:
        `id` is the file name and `token` is `id`; poses are those of a level camera at the origin;
        categories are in the order of their first box. `bbox`, `area`, `center2d` and `truncation`
        are those of the projected box; boxes of which the image shows nothing are left out, with
        one warning, where they have no `bbox`. Boxes count as visible; velocity and attribute are
        unknown (`velocity_known`, `attribute_known` false); `num_lidar_pts` is 1, `instance_token`
        empty.

    Raises:
        UserError: an image without a size cannot be read, or there is no `data_root` to find it.
    """
    images = [_complete_image(image, data_root) for image in data["images"]]
    links = Links(images, data.get("categories") or (), data["annotations"])
    annotations = [
        _complete_annotation(record, index, links)
        for index, record in enumerate(data["annotations"])
    ]
    kept = [record for record in annotations if record is not None]
    if len(kept) < len(annotations):
        warnings.warn(
            f"{len(annotations) - len(kept)} of {len(annotations)} boxes are left out: their "
            "images show nothing of them",
            DataWarning,
            stacklevel=2,
        )
    categories = data.get("categories") or links.categories
    return dict(data, images=images, annotations=kept, categories=categories)


class Links:
    """Finds the image and the category of an annotation.

    Args:
        images: records with `id` and `file_name`.
        categories: records with `id` and `name`; without any, the names in the annotations count.
        annotations: records with `category_name`, where there are no categories.
    """

    def __init__(
        self, images: Sequence[dict], categories: Sequence[dict], annotations: Sequence[dict]
    ):
        self._by_id = {image.get("id", image["file_name"]): image for image in images}
        self._by_file = {image["file_name"]: image for image in images}
        self._names = {category["id"]: category["name"] for category in categories}
        names = self._names.values() or (record["category_name"] for record in annotations)
        self._ids = dict(zip(dict.fromkeys(names), self._names or count()))

    @property
    def categories(self) -> list[dict]:
        """`id` and `name` of each category."""
        return [dict(id=index, name=name) for name, index in self._ids.items()]

    def image(self, annotation: Mapping[str, Any]) -> dict:
        """Record of the image, by `image_id` or else by `file_name`."""
        if "image_id" in annotation:
            return self._by_id[annotation["image_id"]]
        return self._by_file[annotation["file_name"]]

    def category(self, annotation: Mapping[str, Any]) -> dict:
        """`category_id` and `category_name`, from either of them."""
        if self._names and "category_id" in annotation:
            index = annotation["category_id"]
            return dict(category_id=index, category_name=self._names[index])
        name = annotation["category_name"]
        return dict(category_id=self._ids[name], category_name=name)


def _complete_image(image: Mapping[str, Any], data_root: str | Path | None) -> dict:
    size = {}
    if "width" not in image:
        if data_root is None:
            raise UserError(
                f"image {image['file_name']} has no width and height in the annotation file, and "
                "without a data root it cannot be opened; add both keys"
            )
        width, height = image_size(file_under(data_root, image["file_name"]))
        size = dict(width=width, height=height)
    index = image.get("id", image["file_name"])
    defaults = dict(
        id=index,
        token=index,
        cam2ego_rotation=list(LEVEL_CAMERA),
        cam2ego_translation=list(ORIGIN),
        ego2global_rotation=list(NO_ROTATION),
        ego2global_translation=list(ORIGIN),
        range_origin=image.get("ego2global_translation", list(ORIGIN)),
    )
    return {**defaults, **size, **image}


def _complete_annotation(record: Mapping[str, Any], index: int, links: Links) -> dict | None:
    """None if the image shows nothing of the box, and there is no `bbox`."""
    image = links.image(record)
    seen = dict(record)
    if not {"bbox", "truncation", "center2d"} <= record.keys():
        seen = {**_projected(record, image), **record}
    if "bbox" not in seen:
        return None
    velocity = record.get("velo_cam3d") or (None, None)
    known = all(value is not None and math.isfinite(value) for value in velocity)
    attribute = record.get("attribute_id")
    defaults = dict(
        id=index,
        image_id=image["id"],
        file_name=image["file_name"],
        area=seen["bbox"][2] * seen["bbox"][3],
        visibility=FULLY_VISIBLE,
        num_lidar_pts=1,
        instance_token="",
        iscrowd=0,
        segmentation=[],
    )
    unknown = dict(
        velo_cam3d=list(velocity),
        velocity_known=known and record.get("velocity_known", True),
        attribute_id=attribute,
        attribute_known=attribute is not None and record.get("attribute_known", True),
    )
    return {**defaults, **seen, **unknown, **links.category(record)}


def _projected(record: Mapping[str, Any], image: Mapping[str, Any]) -> dict:
    """What the image shows of a box: no `bbox` if nothing."""
    box = np.array(record["bbox_cam3d"], dtype=np.float64)
    corners = corners_of_yaw_box(box)
    matrix = np.array(image["cam_intrinsic"], dtype=np.float64)
    view = (matrix, image["width"], image["height"])
    rectangle = box_in_image(corners, *view)
    seen = dict(
        truncation=truncation(corners, *view),
        center2d=[*project(box[:3], matrix).tolist(), float(box[2])],
    )
    if rectangle is None:
        return seen
    return dict(seen, bbox=[*rectangle[:2].tolist(), *(rectangle[2:] - rectangle[:2]).tolist()])
