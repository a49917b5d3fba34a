"""The content of the report: detections and ground truth of the images of a test run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from epropnp_det.calibration.reliability import Reliability
from epropnp_det.drawing.html_page import (
    ClassResult,
    Coverage,
    Points,
    ShownBox,
    ShownDetection,
    ShownImage,
    encode_picture,
)
from epropnp_det.posterior.credible_regions import coverage
from epropnp_det.posterior.quantities import YAW_POSE

from ..boxes import Boxes3D
from ..data.class_set import ClassSet
from ..evaluation.box_table import BoxTable, make_table
from ..evaluation.distance_metrics import (
    DistanceSettings,
    box_errors,
    center_nearness,
    evaluate_distance,
)
from ..evaluation.pose_distributions import ImageResult
from ..evaluation.ranked_matches import match_class, of_class, uncount
from .pictures import box_corners

MAX_BYTES = 28_000_000  # of a page, so that it can be mailed and opens quickly
_DATA_SHARE = 0.4  # of the page is numbers; the rest is pictures
_BASE64 = 4 / 3  # bytes of text per byte
_CURVE_POINTS = 200
_COLUMNS = dict(
    AP="average precision",
    trans_err="position [m]",
    scale_err="size",
    orient_err="heading [rad]",
    vel_err="velocity [m/s]",
)


@dataclass(frozen=True)
class ImageSettings:
    """Which detections are shown, and how large the pictures may be.

    Args:
        least_score: detections with a lower score are left out.
        max_bytes: largest size of a picture.
    """

    least_score: float
    max_bytes: float

    @classmethod
    def for_images(cls, count: int, least_score: float) -> ImageSettings:
        """Settings with which a page of so many images stays below `MAX_BYTES`."""
        return cls(least_score, MAX_BYTES * (1 - _DATA_SHARE) / _BASE64 / count)


def shown_image(result: ImageResult, classes: ClassSet, settings: ImageSettings) -> ShownImage:
    """An image with its boxes, their errors, distributions and points."""
    keep = (result.detections.require("score") >= settings.least_score).nonzero()[:, 0]
    height, width = result.pixels.shape[:2]
    return ShownImage(
        title=result.title,
        picture=encode_picture(result.pixels, settings.max_bytes),
        width=width,
        height=height,
        matrix=result.matrix,
        detections=tuple(_shown_detection(result, index, classes) for index in keep.tolist()),
        truth=tuple(
            ShownBox(**_shown(result.truth[[index]])) for index in range(len(result.truth))
        ),
    )


def _shown(box: Boxes3D) -> dict[str, Any]:
    """What predicted and true boxes share; n = 1."""
    level = box.in_level_frame()
    return dict(
        label=int(box.label[0]),
        corners=box_corners(box)[0],
        pose=level.pose[0].double().numpy(),
        size=box.size[0].double().numpy(),
    )


def _shown_detection(result: ImageResult, index: int, classes: ClassSet) -> ShownDetection:
    box = result.detections[[index]]
    match = int(result.match[index])
    matched = match >= 0
    return ShownDetection(
        **_shown(box),
        score=float(box.require("score")[0]),
        match=match if matched else None,
        errors=_errors(box, result.truth[[match]], classes) if matched else {},
        **_distribution(box.in_level_frame()),
        points=_points(box),
    )


def _errors(found: Boxes3D, truth: Boxes3D, classes: ClassSet) -> dict[str, float]:
    """Errors of one detection by the keys of `html_page.ERRORS`; m and degrees."""
    name = classes.class_names[int(found.label[0])]
    period = classes.heading_period(name)
    errors = box_errors(make_table([found]), make_table([truth]), period, 0)
    is_round = classes.symmetry.get(name) == "round"
    heading = math.nan if is_round else math.degrees(float(errors["orient_err"][0]))
    return dict(
        position=float(errors["trans_err"][0]),
        depth=float(found.pose[0, 2] - truth.pose[0, 2]),
        heading=heading,
        size=float(errors["scale_err"][0]),
    )


def _distribution(level: Boxes3D) -> dict[str, Any]:
    weight = level.require("sample_weight")[0].double().numpy()
    if not np.isfinite(weight).all():
        return {}
    sample = level.require("sample_pose")[0].double().numpy()
    return dict(sample_pose=sample, sample_weight=weight)


def _points(box: Boxes3D) -> Points | None:
    if box.points is None:
        return None
    coordinates = box.points.x3d / box.size[:, None]
    return Points(*map(_first, (box.points.x2d, coordinates, box.points.w2d)))


def _first(values: Tensor) -> np.ndarray:
    return values[0].double().numpy()


def class_results(
    found: BoxTable, truth: BoxTable, classes: ClassSet, settings: DistanceSettings
) -> tuple[ClassResult, ...]:
    """Average precision, errors and curves of all classes that have a true box, by the distance
    of the centres.
    """
    rows = evaluate_distance(found, truth, classes, settings)["classes"]
    return tuple(
        ClassResult(
            name=name,
            numbers={title: row[key] for key, title in _COLUMNS.items()},
            **_curve(found, truth, classes, label, settings),
        )
        for label, (name, row) in enumerate(rows.items())
        if row["boxes"]
    )


def _curve(
    found: BoxTable, truth: BoxTable, classes: ClassSet, label: int, settings: DistanceSettings
) -> dict[str, np.ndarray]:
    limits = classes.ranges()
    (ranked,) = match_class(
        of_class(found[found.distance < limits[found.label]], label),
        of_class(uncount(truth, limits), label),
        center_nearness,
        [-settings.error_threshold],
        lambda one, other: {},
    )
    precision, recall = ranked.precision_and_recall()
    count = len(precision)
    thin = np.unique(np.linspace(0, count - 1, min(count, _CURVE_POINTS)).round().astype(int))
    return dict(recall=recall[thin], precision=precision[thin], score=ranked.score[thin])


def region_coverage(title: str, found: Reliability) -> Coverage:
    """How often the true values lie in predicted regions, from at least one object."""
    nominal = np.linspace(0, 1, 51)
    columns = {YAW_POSE[name].shown: found.of(name) for name in found.levels}
    shares = {
        text: np.array([coverage(values, p) for p in nominal])
        for text, values in columns.items()
        if len(values)
    }
    return Coverage(title, found.with_distribution, nominal, shares)


def without_samples(boxes: Boxes3D) -> Boxes3D:
    """The boxes alone, as the metrics need them."""
    return replace(boxes, sample_pose=None, sample_weight=None, points=None)
