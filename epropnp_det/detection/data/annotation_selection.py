"""Parts of an annotation file: images of a period, boxes that the LiDAR saw."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from epropnp_det.errors import UserError

# nuScenes token of boxes of which less than 40 % are visible.
HIDDEN = 1
AnnotationData = dict[str, Any]


def select_file_numbers(
    data: AnnotationData, numbers: tuple[int, int], source: object
) -> AnnotationData:
    """The file with the images whose names end with a number from the first to the last of
    `numbers`, and their boxes.

    Args:
        source: the name of the file, for messages.

    Raises:
        UserError: no image has such a number, or `numbers` is not a pair.
    """
    try:
        first, last = numbers
        images = [image for image in data["images"] if first <= _file_number(image) <= last]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"file_numbers is {numbers!r}; it must be a first and last number"
        ) from error
    if not images:
        raise UserError(
            f"{source} has no image whose file name ends with a number from {first} to {last}; "
            "change the dataset's file_numbers"
        )
    kept = {image["id"] for image in images}
    annotations = [each for each in data["annotations"] if each["image_id"] in kept]
    return dict(data, images=images, annotations=annotations)


def hide_unseen_boxes(
    data: AnnotationData, min_lidar_points: int, source: object
) -> AnnotationData:
    """The file with visibility 1 for boxes with fewer LiDAR points.

    Raises:
        UserError: a box has no number of LiDAR points.
    """
    if any("num_lidar_pts" not in each for each in data["annotations"]):
        raise UserError(
            f"min_lidar_points is {min_lidar_points}, but {source} has boxes without num_lidar_pts"
        )
    annotations = [
        each if each["num_lidar_pts"] >= min_lidar_points else dict(each, visibility=HIDDEN)
        for each in data["annotations"]
    ]
    return dict(data, annotations=annotations)


def _file_number(image: dict) -> float:
    """The number that the name of an image file ends with; NaN where there is none."""
    digits = re.search(r"(\d+)$", PurePosixPath(image["file_name"]).stem)
    return float(digits.group()) if digits else float("nan")
