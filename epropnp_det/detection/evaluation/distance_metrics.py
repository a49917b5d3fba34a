"""Average precision by the distance of box centres, and errors of the boxes found: the definitions
of the nuScenes devkit, on images of any camera and without a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from nuscenes.eval.common.utils import cummean
from nuscenes.eval.detection.algo import calc_ap, calc_tp
from nuscenes.eval.detection.data_classes import DetectionMetricData

from ..data.class_set import ClassSet
from .box_table import BoxTable
from .distance_ranges import check_edges, distance_ranges
from .ranked_matches import RankedMatches, match_class, of_class, uncount

ERRORS = ("trans_err", "scale_err", "orient_err", "vel_err", "attr_err")
MEAN_ERROR_NAMES = dict(zip(ERRORS, ("mATE", "mASE", "mAOE", "mAVE", "mAAE"), strict=True))
_RECALLS = np.linspace(0, 1, DetectionMetricData.nelem)


@dataclass(frozen=True)
class DistanceSettings:
    """The defaults are those of the devkit's `detection_cvpr_2019`.

    Args:
        thresholds: m; a detection whose centre is nearer to a true box on the ground is right. The
            average precision is the mean over them.
        error_threshold: m, one of `thresholds`; errors are of detections that are right with it.
        min_recall, min_precision: parts of the curve below are left out.
        edges: m from the camera, between the ranges that have numbers of their own.

    Raises:
        ValueError: numbers that make no sense; the message has the key.
    """

    thresholds: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    error_threshold: float = 2.0
    min_recall: float = 0.1
    min_precision: float = 0.1
    edges: tuple[float, ...] = (20.0, 40.0)

    def __post_init__(self):
        check_edges(self.edges)
        if not self.thresholds or min(self.thresholds) <= 0:
            raise ValueError(f"thresholds must be positive numbers, not {self.thresholds}")
        if self.error_threshold not in self.thresholds:
            raise ValueError(
                f"error_threshold {self.error_threshold} is not among the thresholds "
                f"{self.thresholds}"
            )
        for key in ("min_recall", "min_precision"):
            if not 0 <= getattr(self, key) < 1:
                raise ValueError(f"{key} must lie in [0, 1), not {getattr(self, key)}")


def evaluate_distance(
    found: BoxTable, truth: BoxTable, classes: ClassSet, settings: DistanceSettings
) -> dict[str, Any]:
    """The metrics of detections, over all classes that have a true box that counts.

    Boxes beyond the range of their class do not count.

    Returns:
        `mAP`; the means `mATE` [m], `mASE` [1 - IoU], `mAOE` [rad], `mAVE` [m/s], `mAAE`
        [1 - accuracy]; the same by distance in `ranges`; and `classes`, by name: `AP`,
        `trans_err` and so on, `AP_by_threshold`, `boxes`, and `ranges`. NaN where a number is not
        defined: no true box, an error that makes no sense for a class, or no true box of which
        the velocity or the attribute is known.
    """
    limits = classes.ranges()
    near = found[found.distance < limits[found.label]]
    counted = uncount(truth, limits)
    by_class = {
        name: _evaluate_class(near, counted, classes, label, settings)
        for label, name in enumerate(classes.class_names)
    }
    ranges = list(distance_ranges(settings.edges))
    return dict(
        _means(list(by_class.values())),
        ranges={
            name: _means([each["ranges"][name] for each in by_class.values()]) for name in ranges
        },
        classes=by_class,
    )


def box_errors(
    found: BoxTable, truth: BoxTable, period: float, no_attribute: int
) -> dict[str, np.ndarray]:
    """Errors (n,) of n detections against n true boxes of one class.

    Args:
        period: rad; headings are compared modulo this.
        no_attribute: index of "no attribute", which true boxes may have and then have no error.
    """
    step = (found.pose - truth.pose)[:, [0, 2]]
    common = np.minimum(found.size, truth.size).prod(axis=1)
    union = found.size.prod(axis=1) + truth.size.prod(axis=1) - common
    turn = truth.pose[:, 3] - found.pose[:, 3]
    wrong = (found.attribute != truth.attribute).astype(np.float64)
    known = (truth.attribute >= 0) & (truth.attribute != no_attribute)
    return dict(
        trans_err=np.linalg.norm(step, axis=1),
        scale_err=1 - common / union,
        orient_err=np.abs((turn + period / 2) % period - period / 2),
        vel_err=np.linalg.norm(found.velocity - truth.velocity, axis=1),
        attr_err=np.where(known, wrong, np.nan),
    )


def center_nearness(found: BoxTable, truth: BoxTable) -> np.ndarray:
    """(n, m) minus the distance on the ground, m, of n and m boxes."""
    step = found.pose[:, None, [0, 2]] - truth.pose[None, :, [0, 2]]
    return -np.linalg.norm(step, axis=2)


def _evaluate_class(
    found: BoxTable, truth: BoxTable, classes: ClassSet, label: int, settings: DistanceSettings
) -> dict[str, Any]:
    name = classes.class_names[label]
    no_attribute = len(classes.attributes) - 1
    period = classes.heading_period(name)
    mine = of_class(truth, label)
    matches = match_class(
        of_class(found, label),
        mine,
        center_nearness,
        [-threshold for threshold in settings.thresholds],
        lambda a, b: box_errors(a, b, period, no_attribute),
    )
    by_threshold = dict(zip(settings.thresholds, matches, strict=True))

    def between(low: float, high: float) -> dict[str, Any]:
        counted = mine[mine.counted & (mine.distance >= low) & (mine.distance < high)]
        # A true box compared with itself has no number where nothing is known.
        itself = box_errors(counted, counted, period, no_attribute)
        known = {error for error, values in itself.items() if np.isfinite(values).any()}
        parts = {threshold: each.within(low, high) for threshold, each in by_threshold.items()}
        return _numbers(parts, known - _meaningless(classes, name), settings)

    ranges = {text: between(*ends) for text, ends in distance_ranges(settings.edges).items()}
    return dict(between(0, np.inf), ranges=ranges)


def _meaningless(classes: ClassSet, name: str) -> set[str]:
    """Errors that make no sense for a class."""
    headings = {"orient_err"} if classes.symmetry.get(name) == "round" else set()
    return headings | ({"vel_err"} if name in classes.static_classes else set())


def _numbers(
    matches: Mapping[float, RankedMatches], defined: set[str], settings: DistanceSettings
) -> dict[str, Any]:
    """The metrics of a class, or of a range of distances."""
    boxes = len(matches[settings.error_threshold].positives)
    if boxes == 0:
        nothing = dict.fromkeys(("AP", *ERRORS), np.nan)
        return dict(nothing, AP_by_threshold=dict.fromkeys(map(str, matches), np.nan), boxes=0)
    curves = {threshold: _curve(each) for threshold, each in matches.items()}
    precisions = {
        str(threshold): calc_ap(curve, settings.min_recall, settings.min_precision)
        for threshold, curve in curves.items()
    }
    curve = curves[settings.error_threshold]
    errors = {
        name: calc_tp(curve, settings.min_recall, name) if name in defined else np.nan
        for name in ERRORS
    }
    mean = float(np.mean(list(precisions.values())))
    return dict(AP=mean, **errors, AP_by_threshold=precisions, boxes=boxes)


def _curve(matches: RankedMatches) -> DetectionMetricData:
    """The devkit's curves: precision at 101 recalls, and the mean error of all detections up to
    each of them.
    """
    if not matches.correct.any():
        return DetectionMetricData.no_predictions()
    precision, recall = matches.precision_and_recall()
    confidence = np.interp(_RECALLS, recall, matches.score, right=0)
    scores = matches.score[matches.correct]

    def at_recalls(error: np.ndarray) -> np.ndarray:
        mean = cummean(error[matches.correct])
        return np.interp(confidence[::-1], scores[::-1], mean[::-1])[::-1]

    return DetectionMetricData(
        recall=_RECALLS,
        precision=np.interp(_RECALLS, recall, precision, right=0),
        confidence=confidence,
        **{name: at_recalls(matches.errors[name]) for name in ERRORS},
    )


def _means(parts: list[dict[str, Any]]) -> dict[str, float]:
    """Means over the classes in which a number is defined."""
    names = dict(AP="mAP", **MEAN_ERROR_NAMES)
    values = {name: np.array([part[key] for part in parts]) for key, name in names.items()}
    return {
        name: float(np.nanmean(each)) if np.isfinite(each).any() else np.nan
        for name, each in values.items()
    }


def format_distance_table(metrics: Mapping[str, Any]) -> str:
    """The metrics as text: the means in one line, then a line for each class that has boxes."""
    names = ("mAP", *MEAN_ERROR_NAMES.values())
    means = "  ".join(f"{name} {metrics[name]:.4f}" for name in names)
    shown = {name: row for name, row in metrics["classes"].items() if row["boxes"]}
    first = next(iter(metrics["classes"].values()))
    at = [f"AP@{threshold}m" for threshold in first["AP_by_threshold"]]
    titles = ("boxes", "AP", *at, "ATE", "ASE", "AOE", "AVE", "AAE")
    ranges = [f"AP {name}" for name in metrics["ranges"]]
    head = f"{'class':<22}" + "".join(f"{title:>9}" for title in titles)
    head += "".join(f"{title:>13}" for title in ranges)
    rows = [
        f"{name:<22}{row['boxes']:>9}{row['AP']:>9.3f}"
        + "".join(f"{value:>9.3f}" for value in row["AP_by_threshold"].values())
        + "".join(f"{row[error]:>9.3f}" for error in ERRORS)
        + "".join(f"{row['ranges'][name]['AP']:>13.3f}" for name in metrics["ranges"])
        for name, row in shown.items()
    ]
    return "\n".join([means, head, *rows])
