"""Detections find their true boxes, and their distributions are compared with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.calibration.reliability import Reliability, table
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.evaluation.matching import match_boxes
from epropnp_det.detection.evaluation.pose_distributions import match_detections
from epropnp_det.detection.evaluation.reliability import image_reliability
from epropnp_det.posterior.credible_regions import NOMINAL, binomial_error
from tests.example_results import MATRIX, synthetic_result
from tests.tolerances import SIGMAS

SIZE = (1600, 900)
MIN_IOU = 0.5


def test_the_best_score_chooses_first_and_every_true_box_goes_once() -> None:
    true_box = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])
    box = torch.tensor([[1.0, 0, 11, 10], [0, 0, 10, 10], [21, 0, 31, 10], [50, 50, 60, 60]])
    zero = torch.zeros(4, dtype=torch.long)
    score, other = torch.tensor([0.9, 0.5, 0.1, 1.0]), torch.tensor([0.5, 0.9, 0.1, 1.0])
    assert match_boxes(box, zero, score, true_box, zero[:2], 0.5).tolist() == [0, -1, 1, -1]
    assert match_boxes(box, zero, other, true_box, zero[:2], 0.5).tolist() == [-1, 0, 1, -1]
    assert match_boxes(box, zero, score, true_box, torch.tensor([0, 1]), 0.5).tolist() == [
        0,
        -1,
        -1,
        -1,
    ]  # another class


@pytest.mark.parametrize("found, there", [(0, 3), (3, 0), (0, 0)])
def test_nothing_found_or_nothing_there(found: int, there: int) -> None:
    box = torch.rand(3, 4).cumsum(1)
    label = torch.zeros(3, dtype=torch.long)
    match = match_boxes(
        box[:found], label[:found], torch.rand(found), box[:there], label[:there], 0.5
    )
    assert match.tolist() == [-1] * found


def test_wrong_headings_and_depths_do_not_part_a_pair() -> None:
    result = synthetic_result(10)
    truth = result.truth
    along_the_ray = torch.cat([truth.pose[:, :3] * 1.15, truth.pose[:, 3:]], dim=1)
    turned = truth.pose + torch.tensor([0.0, 0.0, 0.0, torch.pi])
    for pose in (truth.pose, along_the_ray, turned):
        match = match_detections(
            replace(result.detections, pose=pose), truth, MATRIX, SIZE, MIN_IOU
        )
        assert match.tolist() == list(range(10))
    other_class = replace(truth, label=(truth.label + 1) % 10)
    far_away = replace(
        result.detections,
        pose=truth.pose * torch.tensor([-1.0, 1.0, 1.0, 1.0]) + torch.tensor([30.0, 0, 0, 0]),
    )
    assert (match_detections(result.detections, other_class, MATRIX, SIZE, MIN_IOU) == -1).all()
    assert (match_detections(far_away, truth, MATRIX, SIZE, MIN_IOU) == -1).all()


def test_calibrated_detections_have_nominal_coverage() -> None:
    result = synthetic_result(300)
    numbers = table(image_reliability(result, NUSCENES), CLASSES)
    assert numbers["objects"] == 300 and numbers["median_effective_samples"] == pytest.approx(128)
    for shares in numbers["coverage"].values():
        for nominal in NOMINAL:
            assert (
                abs(shares[str(nominal)] - nominal)
                < SIGMAS * binomial_error(nominal, 300) + 1 / 128
            )
    counts = {name: part["objects"] for name, part in numbers["classes"].items()}
    assert counts == dict.fromkeys(CLASSES, 30)


def test_objects_without_true_box_or_distribution_do_not_count() -> None:
    result = synthetic_result(6)
    weight = result.detections.sample_weight.clone()
    weight[4] = torch.nan
    found = replace(result.detections, sample_weight=weight)
    result = replace(result, detections=found, match=torch.tensor([-1, 1, 2, -1, 4, 5]))
    found = image_reliability(result, NUSCENES)
    assert found.label[np.isfinite(found.levels["depth"])].tolist() == [1, 2, 5]
    assert table(found, CLASSES)["without_distribution"] == 1


def test_a_truth_far_from_the_prediction_is_outside_every_region() -> None:
    result = synthetic_result(3)
    away = replace(result.truth, pose=result.truth.pose + torch.tensor([0.0, 0.0, 20.0, 3.0]))
    found = image_reliability(replace(result, truth=away), NUSCENES)
    for levels in found.levels.values():
        np.testing.assert_allclose(levels, np.ones(3))
    assert np.isfinite(found.effective_samples).all()


def test_headings_count_by_the_symmetry_of_their_class() -> None:
    """A half turn changes nothing of a barrier, and no heading of a cone means anything."""
    result = synthetic_result(10)
    turned = replace(result.truth, pose=result.truth.pose + torch.tensor([0, 0, 0, torch.pi]))
    before = image_reliability(result, NUSCENES)
    after = image_reliability(replace(result, truth=turned), NUSCENES)
    barrier = before.label == CLASSES.index("barrier")
    cone = before.label == CLASSES.index("traffic_cone")
    for quantity in ("yaw", "pose"):
        expected = before.levels[quantity]
        found = after.levels[quantity]
        np.testing.assert_allclose(found[barrier], expected[barrier], atol=1 / 128)
        assert np.isnan(found[cone]).all() and np.isnan(expected[cone]).all()
        np.testing.assert_allclose(found[~barrier & ~cone], 1)
    np.testing.assert_array_equal(after.levels["depth"], before.levels["depth"])


def test_images_are_joined() -> None:
    parts = [image_reliability(synthetic_result(n, seed=n), NUSCENES) for n in (4, 0, 3)]
    whole = Reliability.cat(parts)
    assert len(whole) == 7
    for name in ("yaw", "position", "depth", "pose"):
        joined = np.concatenate([part.levels[name] for part in parts])
        np.testing.assert_array_equal(whole.levels[name], joined)
