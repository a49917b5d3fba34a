"""Metrics of detections in camera images that need the annotation file alone: which true boxes
count, in which frame, and the numbers by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from epropnp_det.errors import UserError

from ..boxes import Boxes3D
from ..data.canonical_camera import UP_FRAMES, level_rotation
from ..data.class_set import ClassSet
from ..data.object_limits import ObjectLimits
from .box_table import BoxTable, make_table
from .distance_metrics import (
    ERRORS,
    MEAN_ERROR_NAMES,
    DistanceSettings,
    evaluate_distance,
    format_distance_table,
)
from .iou_metrics import KINDS, IouSettings, evaluate_iou, format_iou_table

METRICS = ("distance", "iou")
FRAMES = ("camera", "level")


@dataclass(frozen=True)
class CameraMetricSettings:
    """Settings of the metrics that compare boxes image by image.

    Args:
        frame: "camera", or "level" for tilted cameras.
        level_by: frame of the annotation file whose z axis points up, "ego" or "global".
        counted: a detector has to find the true boxes within these limits; of others it does not
            matter whether it does.
        distance: see `DistanceSettings`.
        iou: see `IouSettings`.

    Raises:
        ValueError: an unknown frame.
    """

    frame: str = "camera"
    level_by: str = "ego"
    counted: ObjectLimits = field(default_factory=ObjectLimits)
    distance: DistanceSettings = field(default_factory=DistanceSettings)
    iou: IouSettings = field(default_factory=IouSettings)

    def __post_init__(self):
        for key, known in (("frame", FRAMES), ("level_by", tuple(UP_FRAMES))):
            if getattr(self, key) not in known:
                raise ValueError(f"{key} {getattr(self, key)!r} is not one of {', '.join(known)}")

    @classmethod
    def from_config(cls, settings: Mapping[str, Any]) -> CameraMetricSettings:
        """From the dataset's setting `metrics`.

        Raises:
            UserError: an unknown key, or a number that makes no sense.
        """
        types = dict(counted=ObjectLimits, distance=DistanceSettings, iou=IouSettings)
        try:
            return cls(
                **{
                    key: types[key](**value) if key in types else value
                    for key, value in settings.items()
                }
            )
        except (TypeError, ValueError) as error:
            raise UserError(f"the dataset's metrics={dict(settings)}: {error}") from error


@dataclass(frozen=True)
class MetricResult:
    """The numbers of a metric: all of them nested, the main ones by name, and a table of them."""

    full: Mapping[str, Any]
    by_name: Mapping[str, float]
    table: str


def evaluate_images(
    metric: str,
    results: Sequence[Boxes3D],
    truth: Sequence[tuple[Boxes3D, np.ndarray]],
    images: Sequence[Mapping[str, Any]],
    classes: ClassSet,
    settings: CameraMetricSettings,
) -> MetricResult:
    """A metric of `METRICS`.

    Args:
        results: detections of each image.
        truth: true boxes of each image, and which of them count, (n,) bool.
        images: records of the annotation file.
    """
    return _EVALUATE[metric](*box_tables(results, truth, images, settings), classes, settings)


def box_tables(
    results: Sequence[Boxes3D],
    truth: Sequence[tuple[Boxes3D, np.ndarray]],
    images: Sequence[Mapping[str, Any]],
    settings: CameraMetricSettings,
) -> tuple[BoxTable, BoxTable]:
    """Detections and true boxes of all images in the frame of the metrics; arguments as of
    `evaluate_images`.
    """
    found = list(results)
    true = [boxes for boxes, _ in truth]
    if settings.frame == "level":
        found = _level(found, images, settings.level_by)
        true = _level(true, images, settings.level_by)
    return make_table(found), make_table(true, [counted for _, counted in truth])


def _level(
    boxes: Sequence[Boxes3D], images: Sequence[Mapping[str, Any]], level_by: str
) -> list[Boxes3D]:
    """The boxes of each image in its level frame."""
    rotations = [torch.from_numpy(level_rotation(dict(image), level_by)) for image in images]
    return [
        replace(each, level_rotation=rotation.expand(len(each), 3, 3)).in_level_frame()
        for each, rotation in zip(boxes, rotations, strict=True)
    ]


def _distance(
    found: BoxTable, truth: BoxTable, classes: ClassSet, settings: CameraMetricSettings
) -> MetricResult:
    full = evaluate_distance(found, truth, classes, settings.distance)
    by_name = {f"distance_{key}": full[key] for key in ("mAP", *MEAN_ERROR_NAMES.values())}
    for name, row in full["classes"].items():
        by_name |= {f"distance_{name}_{key}": row[key] for key in ("AP", *ERRORS)}
    title = f"distance of centres, {settings.frame} frame"
    return MetricResult(full, by_name, f"{title}\n{format_distance_table(full)}")


def _iou(
    found: BoxTable, truth: BoxTable, classes: ClassSet, settings: CameraMetricSettings
) -> MetricResult:
    full = evaluate_iou(found, truth, classes, settings.iou)
    by_name: dict[str, float] = {}
    for kind in KINDS:
        by_name |= {f"iou_{kind}_mAP_{t}": value for t, value in full[kind]["mAP"].items()}
        for name, row in full[kind]["classes"].items():
            by_name |= {f"iou_{kind}_{name}_AP_{t}": value for t, value in row["AP"].items()}
    title = f"intersection over union, {settings.frame} frame"
    return MetricResult(full, by_name, f"{title}\n{format_iou_table(full)}")


_EVALUATE = dict(distance=_distance, iou=_iou)
