"""Overlap metrics: polygons and a plain loop written here, and laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapely.geometry import MultiPoint, Polygon

from epropnp_det.detection.data.class_set import ClassSet
from epropnp_det.detection.data.projection import corners_of_yaw_box
from epropnp_det.detection.evaluation.box_table import BoxTable
from epropnp_det.detection.evaluation.iou_metrics import (
    KINDS,
    IouSettings,
    evaluate_iou,
    format_iou_table,
    iou_3d,
    iou_bev,
)
from tests.tolerances import EXACT, EXACT_FLOAT32

from .box_tables import detections, true_boxes

OWN = ClassSet(("sedan", "walker", "rider"))


def footprint(boxes: BoxTable, row: int) -> Polygon:
    x, y, z, yaw = boxes.pose[row]
    corners = corners_of_yaw_box(np.array([x, y, z, *boxes.size[row], yaw]))
    return MultiPoint(corners[:, [0, 2]]).convex_hull


def overlap(a: BoxTable, i: int, b: BoxTable, j: int, kind: str) -> float:
    """Intersection over union by polygons, in float64."""
    one = footprint(a, i)
    other = footprint(b, j)
    common = one.intersection(other).area
    if kind == "bev":
        return common / (one.area + other.area - common)
    top = max(a.pose[i, 1] - a.size[i, 1] / 2, b.pose[j, 1] - b.size[j, 1] / 2)
    bottom = min(a.pose[i, 1] + a.size[i, 1] / 2, b.pose[j, 1] + b.size[j, 1] / 2)
    volume = common * max(0.0, bottom - top)
    return volume / (a.size[i].prod() + b.size[j].prod() - volume)


def plain_average_precision(
    found: BoxTable, truth: BoxTable, label: int, kind: str, threshold: float, points: int
) -> float:
    """Average precision of a class, one detection after the other."""
    mine = [row for row in range(len(truth)) if truth.label[row] == label]
    candidates = [row for row in range(len(found)) if found.label[row] == label]
    free = set(mine)
    curve = []
    right = 0
    for count, row in enumerate(
        sorted(candidates, key=lambda row: (found.score[row], row), reverse=True), start=1
    ):
        rivals = [each for each in free if truth.image[each] == found.image[row]]
        overlaps = {each: overlap(found, row, truth, each, kind) for each in rivals}
        best = max(overlaps, key=overlaps.get, default=None)
        if best is not None and overlaps[best] > threshold:
            free.remove(best)
            right += 1
        curve.append((right / len(mine), right / count))
    total = 0.0
    for point in range(1, points + 1):
        total += max((p for r, p in curve if r >= point / points - 1e-12), default=0.0)
    return total / points


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("points", [40, 11])
def test_average_precision_is_that_of_a_plain_loop(seed: int, points: int):
    truth = true_boxes(45, seed, images=4, labels=3)
    found = detections(truth, seed + 10, spread=0.4, labels=3)
    settings = IouSettings(recall_points=points)
    metrics = evaluate_iou(found, truth, OWN, settings)
    for kind in KINDS:
        for label, name in enumerate(OWN.class_names):
            for threshold in settings.thresholds:
                expected = plain_average_precision(found, truth, label, kind, threshold, points)
                got = metrics[kind]["classes"][name]["AP"][str(threshold)]
                assert got == pytest.approx(expected, abs=EXACT)
    assert 0 < metrics["3d"]["mAP"]["0.25"] < 1  # neither trivial value


@pytest.mark.parametrize("kind, function", [("3d", iou_3d), ("bev", iou_bev)])
def test_overlaps_are_those_of_polygons(kind: str, function):
    truth = true_boxes(25, 3)
    found = detections(truth, 4, spread=0.8)
    expected = [
        [overlap(found, i, truth, j, kind) for j in range(len(truth))] for i in range(len(found))
    ]
    assert function(found, truth) == pytest.approx(np.array(expected), abs=EXACT_FLOAT32)


def test_a_box_overlaps_with_itself_completely():
    truth = true_boxes(300, 5)
    assert np.diag(iou_3d(truth, truth)) == pytest.approx(1, abs=EXACT_FLOAT32)
    assert np.diag(iou_bev(truth, truth)) == pytest.approx(1, abs=EXACT_FLOAT32)


def test_a_perfect_prediction_has_a_perfect_score_everywhere():
    truth = true_boxes(150, labels=3)
    found = replace(truth, score=np.linspace(0.1, 0.9, 150))
    metrics = evaluate_iou(found, truth, OWN, IouSettings())
    for kind in KINDS:
        rows = metrics[kind]["classes"].values()
        groups = [*rows, *(part for row in rows for part in row["ranges"].values())]
        precisions = [value for each in groups if each["boxes"] for value in each["AP"].values()]
        means = [metrics[kind]["mAP"], *(part["mAP"] for part in metrics[kind]["ranges"].values())]
        precisions += [value for each in means for value in each.values()]
        assert precisions == pytest.approx([1.0] * len(precisions), abs=EXACT)


def test_no_detection_scores_zero_and_an_absent_class_has_no_score():
    truth = true_boxes(20, labels=2)
    metrics = evaluate_iou(truth[:0], truth, OWN, IouSettings())
    assert metrics["3d"]["mAP"] == {"0.25": 0.0, "0.5": 0.0, "0.7": 0.0}
    assert np.isnan(metrics["bev"]["classes"]["rider"]["AP"]["0.5"])
    assert "rider" not in format_iou_table(metrics)


def test_boxes_one_above_the_other_overlap_from_above_alone():
    truth = true_boxes(30, labels=1)
    above = replace(truth, pose=truth.pose - np.array([0, 10, 0, 0]))
    metrics = evaluate_iou(above, truth, OWN, IouSettings())
    assert metrics["3d"]["classes"]["sedan"]["AP"]["0.25"] == 0
    assert metrics["bev"]["classes"]["sedan"]["AP"]["0.7"] == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(thresholds=(0.0,)), "thresholds"),
        (dict(recall_points=0), "recall_points"),
        (dict(edges=(-1.0,)), "edges"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        IouSettings(**settings)
