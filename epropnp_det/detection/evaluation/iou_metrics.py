"""Average precision by the intersection over union of boxes, in 3D and in bird's-eye view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmcv.ops import box_iou_rotated

from ..data.class_set import ClassSet
from ..nms import footprints
from .box_table import BoxTable
from .distance_ranges import check_edges, distance_ranges
from .ranked_matches import RankedMatches, match_class, of_class, uncount

KINDS = ("3d", "bev")


@dataclass(frozen=True)
class IouSettings:
    """How overlaps become an average precision.

    Args:
        thresholds: a detection that overlaps more with a true box is right. KITTI takes 0.7 for
            cars, 0.5 for pedestrians and cyclists.
        recall_points: number n of recalls 1/n, 2/n, ... 1 at which the precision is taken, each the
            best at that recall or more; 40 as in KITTI.
        edges: m from the camera, between the ranges that have numbers of their own.

    Raises:
        ValueError: numbers that make no sense; the message has the key.
    """

    thresholds: tuple[float, ...] = (0.25, 0.5, 0.7)
    recall_points: int = 40
    edges: tuple[float, ...] = (20.0, 40.0)

    def __post_init__(self):
        check_edges(self.edges)
        if not self.thresholds or not all(0 < each < 1 for each in self.thresholds):
            raise ValueError(f"thresholds must lie between 0 and 1, not {self.thresholds}")
        if not isinstance(self.recall_points, int) or self.recall_points < 1:
            raise ValueError(
                f"recall_points must be a whole number from 1, not {self.recall_points!r}"
            )


def evaluate_iou(
    found: BoxTable, truth: BoxTable, classes: ClassSet, settings: IouSettings
) -> dict[str, Any]:
    """Average precisions of detections. Boxes beyond the range of their class do not count.

    Returns:
        For the kinds "3d" and "bev": `mAP` by threshold, the mean over the classes that have a true
        box that counts; `ranges`, the same by distance; and `classes`, by name: `AP` by threshold,
        `boxes`, and `ranges`. NaN where there is no true box.
    """
    limits = classes.ranges()
    near = found[found.distance < limits[found.label]]
    counted = uncount(truth, limits)
    overlaps = dict(zip(KINDS, (iou_3d, iou_bev), strict=True))
    return {
        kind: _evaluate_kind(near, counted, classes, overlap, settings)
        for kind, overlap in overlaps.items()
    }


def iou_bev(found: BoxTable, truth: BoxTable) -> np.ndarray:
    """(n, m) intersection over union of the footprints of n and m boxes."""
    if not len(found) or not len(truth):
        return np.zeros((len(found), len(truth)))
    # mmcv computes in float32: small coordinates keep more digits.
    middle = truth.pose.mean(axis=0) * (1, 1, 1, 0)
    one, other = (
        footprints(torch.from_numpy(each.pose - middle), torch.from_numpy(each.size)).float()
        for each in (found, truth)
    )
    return box_iou_rotated(one, other).double().numpy()


def iou_3d(found: BoxTable, truth: BoxTable) -> np.ndarray:
    """(n, m) intersection over union of the volumes of n and m upright boxes."""
    flat = iou_bev(found, truth)
    area = found.size[:, None, [0, 2]].prod(axis=2)
    true_area = truth.size[None, :, [0, 2]].prod(axis=2)
    common_area = flat * (area + true_area) / (1 + flat)
    half = found.size[:, 1] / 2
    true_half = truth.size[:, 1] / 2
    top = np.maximum.outer(found.pose[:, 1] - half, truth.pose[:, 1] - true_half)
    bottom = np.minimum.outer(found.pose[:, 1] + half, truth.pose[:, 1] + true_half)
    common = common_area * np.clip(bottom - top, 0, None)
    union = found.size.prod(axis=1)[:, None] + truth.size.prod(axis=1)[None] - common
    return common / union


def average_precision(matches: RankedMatches, recall_points: int) -> float:
    """Mean of the best precision at each recall or more; NaN without a true box.

    Args:
        recall_points: see `IouSettings`.
    """
    if not len(matches.positives):
        return float("nan")
    precision, recall = matches.precision_and_recall()
    best = np.maximum.accumulate(precision[::-1])[::-1]
    wanted = np.arange(1, recall_points + 1) / recall_points
    # A recall of 3/10 counts as 0.3 whatever it rounds to.
    first = np.searchsorted(recall, wanted - 1e-9)
    return float(np.append(best, 0.0)[first].mean())


def _evaluate_kind(
    found: BoxTable, truth: BoxTable, classes: ClassSet, overlap: Any, settings: IouSettings
) -> dict[str, Any]:
    by_class = {}
    for label, name in enumerate(classes.class_names):
        matches = match_class(
            of_class(found, label),
            of_class(truth, label),
            overlap,
            settings.thresholds,
            lambda a, b: {},
        )
        ranges = {
            text: _numbers([each.within(*ends) for each in matches], settings)
            for text, ends in distance_ranges(settings.edges).items()
        }
        by_class[name] = dict(_numbers(matches, settings), ranges=ranges)
    ranges = {
        text: dict(mAP=_means([each["ranges"][text] for each in by_class.values()], settings))
        for text in distance_ranges(settings.edges)
    }
    return dict(mAP=_means(list(by_class.values()), settings), ranges=ranges, classes=by_class)


def _numbers(matches: list[RankedMatches], settings: IouSettings) -> dict[str, Any]:
    precisions = {
        str(threshold): average_precision(each, settings.recall_points)
        for threshold, each in zip(settings.thresholds, matches, strict=True)
    }
    return dict(AP=precisions, boxes=len(matches[0].positives))


def _means(parts: list[dict[str, Any]], settings: IouSettings) -> dict[str, float]:
    """Mean over the classes that have true boxes, by threshold."""
    present = [part["AP"] for part in parts if part["boxes"]]
    return {
        str(each): float(np.mean([part[str(each)] for part in present])) if present else np.nan
        for each in settings.thresholds
    }


def format_iou_table(metrics: Mapping[str, Any]) -> str:
    """The metrics as text: means, then a line for each class that has boxes."""
    columns = [(kind, threshold) for kind in KINDS for threshold in metrics[kind]["mAP"]]
    head = f"{'class':<22}{'boxes':>9}"
    head += "".join(f"{f'AP {kind}@{threshold}':>13}" for kind, threshold in columns)
    mean = f"{'mean':<22}{'':>9}"
    mean += "".join(f"{metrics[kind]['mAP'][threshold]:>13.3f}" for kind, threshold in columns)
    rows = [
        f"{name:<22}{row['boxes']:>9}"
        + "".join(
            f"{metrics[kind]['classes'][name]['AP'][threshold]:>13.3f}"
            for kind, threshold in columns
        )
        for name, row in metrics[KINDS[0]]["classes"].items()
        if row["boxes"]
    ]
    return "\n".join([head, mean, *rows])
