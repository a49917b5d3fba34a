"""Distance metrics: the devkit's own numbers on the same boxes, and laws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nuscenes.eval.common.data_classes import EvalBoxes
from nuscenes.eval.common.utils import center_distance, quaternion_yaw
from nuscenes.eval.detection.algo import accumulate, calc_ap, calc_tp
from nuscenes.eval.detection.config import config_factory
from nuscenes.eval.detection.data_classes import DetectionBox
from nuscenes.eval.detection.evaluate import NuScenesEval
from pyquaternion import Quaternion

from epropnp_det.detection.data import nuscenes_tables
from epropnp_det.detection.data.class_set import NUSCENES, ClassSet
from epropnp_det.detection.evaluation.box_table import BoxTable
from epropnp_det.detection.evaluation.distance_metrics import (
    ERRORS,
    MEAN_ERROR_NAMES,
    DistanceSettings,
    evaluate_distance,
    format_distance_table,
)
from tests.nuscenes_factory import VERSION
from tests.tolerances import EXACT, METRIC

from .box_tables import detections, true_boxes

OWN = ClassSet(("sedan", "walker", "rider"))
EVERYWHERE = replace(NUSCENES, detection_range={})


def devkit_boxes(boxes: BoxTable, images: int) -> EvalBoxes:
    """The same boxes as the devkit holds them: x, z, -y of the camera are x, y, z of its world."""
    by_image = defaultdict(list)
    for row in range(len(boxes)):
        x, y, z, yaw = boxes.pose[row]
        name = NUSCENES.class_names[boxes.label[row]]
        by_image[str(boxes.image[row])].append(
            DetectionBox(
                sample_token=str(boxes.image[row]),
                translation=(x, z, -y),
                size=tuple(boxes.size[row][[2, 0, 1]]),
                rotation=tuple(Quaternion(axis=(0, 0, 1), angle=-yaw).elements),
                velocity=tuple(boxes.velocity[row]),
                detection_name=name,
                detection_score=float(boxes.score[row]),
                attribute_name=NUSCENES.attribute_name(boxes.attribute[row]),
            )
        )
    result = EvalBoxes()
    for image in range(images):
        result.add_boxes(str(image), by_image[str(image)])
    return result


@pytest.mark.parametrize("seed", range(3))
def test_the_numbers_are_those_of_the_devkit(seed: int):
    truth = true_boxes(120, seed)
    found = detections(truth, seed + 100)
    settings = DistanceSettings()
    ours = evaluate_distance(found, truth, EVERYWHERE, settings)
    theirs = devkit_boxes(truth, 6), devkit_boxes(found, 6)
    for name in NUSCENES.class_names:
        row = ours["classes"][name]
        for threshold in settings.thresholds:
            curve = accumulate(*theirs, name, center_distance, threshold)
            expected = calc_ap(curve, 0.1, 0.1)
            assert row["AP_by_threshold"][str(threshold)] == pytest.approx(expected, abs=METRIC)
        curve = accumulate(*theirs, name, center_distance, 2.0)
        for error in ERRORS:
            if np.isfinite(row[error]):
                assert row[error] == pytest.approx(calc_tp(curve, 0.1, error), abs=METRIC)
    undefined = {
        (name, error)
        for name, row in ours["classes"].items()
        for error in ERRORS
        if np.isnan(row[error])
    }
    assert undefined == {
        ("traffic_cone", "orient_err"),
        ("traffic_cone", "vel_err"),
        ("barrier", "vel_err"),
    }


def table_of_devkit_boxes(boxes: EvalBoxes) -> BoxTable:
    """The inverse of `devkit_boxes`, samples in their order as images."""
    samples = {token: index for index, token in enumerate(sorted(boxes.sample_tokens))}
    each = [box for token in samples for box in boxes[token]]
    yaw = [-quaternion_yaw(Quaternion(box.rotation)) for box in each]
    x, y, z = np.array([box.translation for box in each]).T
    names = [*NUSCENES.attributes[:-1], ""]
    return BoxTable(
        image=np.array([samples[box.sample_token] for box in each]),
        pose=np.stack([x, -z, y, yaw], axis=1),
        size=np.array([box.size for box in each])[:, [1, 2, 0]],
        label=np.array([NUSCENES.class_names.index(box.detection_name) for box in each]),
        velocity=np.array([box.velocity for box in each]),
        attribute=np.array([names.index(box.attribute_name) for box in each]),
        score=np.array([box.detection_score for box in each]),
        counted=np.ones(len(each), dtype=bool),
    )


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_numbers_of_a_database_are_those_of_the_official_evaluation(
    make_dataset, perfect_results, tmp_path: Path, split: str
):
    """Disturbed detections of a nuScenes database; both sides have the boxes that the devkit
    filtered.
    """
    dataset = make_dataset(split)
    generator = torch.Generator().manual_seed(0)
    results = [
        replace(
            each,
            pose=each.pose + 0.6 * torch.randn(each.pose.shape, generator=generator),
            score=torch.rand(len(each), generator=generator),
        )
        for each in perfect_results(dataset)
    ]
    path, _ = dataset.format_results(results, str(tmp_path))
    nusc = nuscenes_tables.open_database(dataset.data_root, VERSION)
    config = config_factory("detection_cvpr_2019")
    official = NuScenesEval(nusc, config, str(path), f"mini_{split}", str(tmp_path), verbose=False)
    theirs, _ = official.evaluate()
    found = table_of_devkit_boxes(official.pred_boxes)
    truth = table_of_devkit_boxes(official.gt_boxes)
    ours = evaluate_distance(found, truth, EVERYWHERE, DistanceSettings())
    for name, row in ours["classes"].items():
        assert row["AP"] == pytest.approx(theirs.mean_dist_aps[name], abs=METRIC)
        for error in ERRORS:
            if np.isfinite(row[error]):
                assert row[error] == pytest.approx(theirs.get_label_tp(name, error), abs=METRIC)
    assert 0.05 < ours["mAP"] < 0.95
    assert ours["mAP"] == pytest.approx(theirs.mean_ap, abs=METRIC)
    assert ours["mAOE"] == pytest.approx(theirs.tp_errors["orient_err"], abs=METRIC)


def perfect(truth: BoxTable) -> BoxTable:
    return replace(truth, score=np.linspace(0.2, 0.9, len(truth)))


def numbers(metrics: dict) -> list[dict]:
    """All groups of numbers: over all, by distance, by class, by both."""
    groups = [metrics, *metrics["ranges"].values()]
    for row in metrics["classes"].values():
        groups += [row, *row["ranges"].values()]
    return groups


def test_a_perfect_prediction_has_a_perfect_score_everywhere():
    truth = true_boxes(200)
    for group in numbers(evaluate_distance(perfect(truth), truth, NUSCENES, DistanceSettings())):
        precision = group["AP"] if "AP" in group else group["mAP"]
        assert precision == pytest.approx(1, abs=EXACT) or group.get("boxes") == 0
        for key in (*ERRORS, *MEAN_ERROR_NAMES.values()):
            assert np.isnan(group.get(key, 0)) or group.get(key, 0) == pytest.approx(0, abs=EXACT)


def test_no_detection_scores_zero_with_the_largest_errors():
    truth = true_boxes(60)
    nothing = truth[np.zeros(len(truth), dtype=bool)]
    metrics = evaluate_distance(nothing, truth, EVERYWHERE, DistanceSettings())
    assert metrics["mAP"] == 0
    assert all(metrics[name] == 1 for name in MEAN_ERROR_NAMES.values())


def test_classes_without_a_true_box_do_not_count():
    truth = true_boxes(40, labels=2)
    metrics = evaluate_distance(perfect(truth), truth, OWN, DistanceSettings())
    assert metrics["mAP"] == pytest.approx(1, abs=EXACT)
    assert np.isnan(metrics["classes"]["rider"]["AP"])
    assert "rider" not in format_distance_table(metrics)


def test_unknown_velocities_and_attributes_have_no_error():
    truth = true_boxes(40, labels=3, attributes=1)  # the one attribute means none
    unknown = replace(truth, velocity=np.full((40, 2), np.nan))
    metrics = evaluate_distance(detections(unknown, labels=3), unknown, OWN, DistanceSettings())
    assert np.isnan(metrics["mAVE"]) and np.isnan(metrics["mAAE"])
    assert np.isfinite(metrics["mATE"])


def test_true_boxes_that_do_not_count_change_nothing_whether_found_or_not():
    truth = true_boxes(80, labels=3)
    hidden = replace(truth, counted=np.arange(80) % 3 > 0)
    settings = DistanceSettings()
    found = perfect(truth)
    of_all = evaluate_distance(found, hidden, OWN, settings)
    of_counted = evaluate_distance(found[hidden.counted], hidden, OWN, settings)
    assert of_all["mAP"] == of_counted["mAP"] == pytest.approx(1, abs=EXACT)
    # Without the boxes that do not count, their detections are wrong.
    assert evaluate_distance(found, truth[hidden.counted], OWN, settings)["mAP"] < 0.9


def test_a_half_turn_is_an_error_unless_the_class_is_symmetric():
    truth = true_boxes(60, labels=3)
    turned = perfect(truth)
    turned = replace(turned, pose=turned.pose + np.array([0, 0, 0, np.pi]))
    classes = replace(OWN, symmetry=dict(walker="half_turn", rider="round"))
    rows = evaluate_distance(turned, truth, classes, DistanceSettings())["classes"]
    assert rows["sedan"]["orient_err"] == pytest.approx(np.pi, abs=EXACT)
    assert rows["walker"]["orient_err"] == pytest.approx(0, abs=EXACT)
    assert np.isnan(rows["rider"]["orient_err"])


def test_the_ranges_partition_the_boxes_and_leave_wrong_detections_where_they_are():
    truth = true_boxes(150, labels=1)
    found = perfect(truth)
    wrong = (truth.distance > 20) & (truth.distance < 38)
    shifted = found.pose + np.where(wrong, 30.0, 0.0)[:, None] * np.array([1, 0, 0, 0])
    row = evaluate_distance(
        replace(found, pose=shifted), truth, OWN, DistanceSettings(edges=(20.0, 38.0))
    )["classes"]["sedan"]
    assert sum(part["boxes"] for part in row["ranges"].values()) == row["boxes"] == 150
    assert row["ranges"]["0-20 m"]["AP"] == pytest.approx(1, abs=EXACT)
    assert row["ranges"]["20-38 m"]["AP"] == 0


def test_boxes_beyond_the_range_of_their_class_do_not_count():
    truth = true_boxes(60, labels=1)
    classes = replace(OWN, detection_range=dict(sedan=25.0))
    row = evaluate_distance(perfect(truth), truth, classes, DistanceSettings())["classes"]["sedan"]
    assert row["boxes"] == int((truth.distance < 25).sum())
    assert row["AP"] == pytest.approx(1, abs=EXACT)


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(thresholds=()), "thresholds"),
        (dict(error_threshold=3.0), "error_threshold"),
        (dict(min_recall=1.0), "min_recall"),
        (dict(edges=(40.0, 20.0)), "edges"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        DistanceSettings(**settings)
