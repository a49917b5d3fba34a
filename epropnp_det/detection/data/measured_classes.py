"""Size priors of the classes of an annotation file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.errors import UserError

from .annotation_completion import Links
from .annotation_file import read_annotations

# Least standard deviation of a size over its mean: sizes of one model of car are all the same.
MIN_RELATIVE_STD = 0.05


def measured_classes(
    ann_file: str | Path, class_names: Sequence[str] | None = None, **fields: Any
) -> dict[str, Any]:
    """Fields of a `ClassSet` with the sizes of the boxes in an annotation file, for a config.

    A config calls this function while it is read. The config that a training writes to its work
    dir has the numbers.

    Args:
        ann_file: annotation file of the training set.
        class_names: in the order of the labels; None means all categories of the file that have
            boxes, in the order of the file.
        fields: other fields of `ClassSet`, such as `symmetry` or `detection_range`.

    Returns:
        `class_names`, `size_mean` and `size_std`, (classes, 3) of length, height, width [m] rounded
        to mm, and the other fields.

    Raises:
        UserError: the file cannot be read or has mistakes, or a class has no box.
    """
    data = read_annotations(ann_file)
    sizes = _sizes_by_class(data)
    names = tuple(sizes if class_names is None else class_names)
    without = [name for name in names if name not in sizes]
    if without or not names:
        raise UserError(
            f"annotation file {ann_file} has no box of the class {', '.join(without) or '(any)'}; "
            f"its classes are {', '.join(sizes) or 'none'}"
        )
    means = [np.mean(sizes[name], axis=0) for name in names]
    deviations = [np.std(sizes[name], axis=0) for name in names]
    least = [MIN_RELATIVE_STD * mean for mean in means]
    return dict(
        class_names=names,
        size_mean=_rows(means),
        size_std=_rows([np.maximum(*pair) for pair in zip(deviations, least, strict=True)]),
        **fields,
    )


def _sizes_by_class(data: dict[str, Any]) -> dict[str, list[list[float]]]:
    """Length, height and width [m] of the boxes of each class, classes in the order of the file."""
    links = Links(data["images"], data.get("categories") or (), data["annotations"])
    sizes: dict[str, list[list[float]]] = {each["name"]: [] for each in links.categories}
    for record in data["annotations"]:
        sizes[links.category(record)["category_name"]].append(record["bbox_cam3d"][3:6])
    return {name: rows for name, rows in sizes.items() if rows}


def _rows(values: Sequence[np.ndarray]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(float(number), 3) for number in row) for row in values)
