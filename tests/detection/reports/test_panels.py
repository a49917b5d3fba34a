"""Panels show every object with its distribution, and the numbers on top are those of the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.reports.metrics_file import load_metrics
from epropnp_det.detection.reports.panels import (
    close_up,
    heading_spread,
    image_panel,
    poster,
)
from epropnp_det.errors import UserError
from tests.example_results import MATRIX, SPREAD, synthetic_result

METRICS = dict(NDS=0.41234, mAP=0.3, mATE=0.5, mASE=0.2, mAOE=0.7, mAVE=0.9, mAAE=None)


@pytest.fixture(scope="module")
def panel():
    return image_panel(synthetic_result(8), CLASSES)


def test_names_of_the_classes_are_an_argument() -> None:
    names = tuple(f"kind_{index}" for index in range(10))
    panel = image_panel(synthetic_result(3), names)
    assert [each.title.split(",")[0] for each in panel.objects] == ["kind 0", "kind 1", "kind 2"]


def test_an_object_without_a_distribution_is_drawn_but_not_shown_close_up() -> None:
    result = synthetic_result(3)
    weight = result.detections.sample_weight.clone()
    weight[0] = torch.nan
    panel = image_panel(
        replace(result, detections=replace(result.detections, sample_weight=weight)), CLASSES
    )
    assert [each.title.split(",")[0] for each in panel.objects] == ["truck", "trailer"]


def test_spreads_in_the_text_are_those_of_the_samples(panel) -> None:
    yaw = 3.0 + np.random.default_rng(0).normal(size=20000) * 0.15
    assert heading_spread(yaw, np.ones(20000), 3.0 - 2 * np.pi) == pytest.approx(
        np.degrees(0.15), rel=0.03
    )
    depth = [float(each.text.split("± ")[1].split(" m")[0]) for each in panel.objects]
    assert np.mean(depth) == pytest.approx(
        float(SPREAD[2]), rel=0.4
    )  # the best depth of a panel is itself off by so much


def test_poster_has_the_image_the_scene_from_above_and_the_objects(panel) -> None:
    picture = poster(panel)
    assert np.array_equal(
        picture[: panel.picture.shape[0], : panel.picture.shape[1]], panel.picture
    )
    assert picture.shape[0] > panel.picture.shape[0] and picture.shape[1] > panel.picture.shape[1]
    empty = image_panel(synthetic_result(0), CLASSES)
    assert poster(empty).shape[0] == empty.picture.shape[0]


def test_close_up_has_the_object_in_the_middle() -> None:
    pixels = np.full((900, 1600, 3), 90, np.uint8)
    box = Boxes3D(
        torch.tensor([[3.0, 1.0, 20.0, 0.4]]), torch.tensor([[4.0, 1.5, 2.0]]), torch.tensor([0])
    )
    view = close_up(pixels, MATRIX, box)
    rows, columns = np.nonzero((view != 90).any(axis=2))
    height, width = view.shape[:2]
    for low, high, size in (
        (rows.min(), rows.max(), height),
        (columns.min(), columns.max(), width),
    ):
        assert low > 0 and high < size - 1
        assert abs((low + high) / 2 - size / 2) < 3
    assert columns.max() - columns.min() > 0.6 * width


def test_metrics_of_own_data_are_shown_without_those_that_are_not_defined(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(dict(distance_mAP=0.5, distance_mAVE=None, distance_car_AP=0.5)))
    assert [(each.name, each.value) for each in load_metrics(path)] == [("distance_mAP", "0.500")]
    path.write_text(json.dumps({"iou_3d_mAP_0.5": 0.25, "iou_3d_mAP_0.7": 0.0}))
    assert [each.name for each in load_metrics(path)] == ["iou_3d_mAP_0.5"]


@pytest.mark.parametrize("content", [None, "{", "[]", '{"NDS": 1}', json.dumps(METRICS)])
def test_what_is_no_metrics_file_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(UserError, match=r"metrics.json is no metrics.json of tools/test.py"):
        load_metrics(tmp_path / "metrics.json")
