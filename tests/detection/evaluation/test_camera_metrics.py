"""Metrics of a dataset by its annotation file alone: names, files, defaults, and refusals."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pyquaternion import Quaternion

from epropnp_det.detection.data.annotation_completion import LEVEL_CAMERA
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.engine.config import load_config
from epropnp_det.engine.training import _validation_set
from epropnp_det.errors import UserError
from tests.tolerances import EXACT, EXACT_FLOAT32

DEBUG = Path(__file__).parents[3] / "configs" / "detection" / "debug" / "one_frame.py"


@pytest.fixture
def own_file(database: Path, tmp_path: Path) -> Path:
    """An annotation file without a database, of another recording than nuScenes."""
    data = json.loads((database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())
    data["info"] = dict(data["info"], version="my_street")
    path = tmp_path / "own.json"
    path.write_text(json.dumps(data))
    return path


def own_dataset(path: Path, **settings) -> NuScenesCameraDataset:
    return NuScenesCameraDataset(str(path.parent), str(path), [], test_mode=True, **settings)


@pytest.mark.parametrize("frame", ["camera", "level"])
def test_perfect_results_score_one_without_a_database(own_file: Path, perfect_results, frame: str):
    dataset = own_dataset(own_file, metrics=dict(frame=frame))
    metrics = dataset.evaluate(
        perfect_results(dataset), ["distance", "iou"], "silent", str(own_file.parent)
    )
    assert metrics["distance_mAP"] == pytest.approx(1, abs=EXACT)
    assert metrics["iou_3d_mAP_0.7"] == metrics["iou_bev_mAP_0.25"] == pytest.approx(1, abs=EXACT)
    for name in ("mATE", "mASE", "mAOE", "mAVE", "mAAE"):
        assert metrics[f"distance_{name}"] == pytest.approx(0, abs=EXACT)
    for name in ("distance", "iou"):
        text = (own_file.parent / f"{name}_metrics.json").read_text()
        assert "0-20 m" in text and "NaN" not in text


def test_the_level_frame_ignores_what_is_off_along_gravity(own_file: Path, perfect_results):
    """A camera that is pitched by 20 degrees, and detections a metre above their boxes."""
    data = json.loads(own_file.read_text())
    pitch = Quaternion(axis=(1, 0, 0), degrees=20)
    for image in data["images"]:
        image["cam2ego_rotation"] = (Quaternion(LEVEL_CAMERA) * pitch).elements.tolist()
    own_file.write_text(json.dumps(data))
    errors = {}
    for frame in ("camera", "level"):
        dataset = own_dataset(own_file, metrics=dict(frame=frame))
        up = torch.from_numpy(pitch.inverse.rotation_matrix @ (0, -1, 0)).float()
        higher = [
            replace(each, pose=each.pose + torch.cat((up, torch.zeros(1))))
            for each in perfect_results(dataset)
        ]
        errors[frame] = dataset.evaluate(higher, "distance", "silent")["distance_mATE"]
    assert errors["level"] == pytest.approx(0, abs=EXACT_FLOAT32)
    assert errors["camera"] == pytest.approx(math.sin(math.radians(20)), abs=EXACT_FLOAT32)


def test_own_data_is_evaluated_by_distance(own_file: Path, make_dataset):
    assert own_dataset(own_file).check_evaluation() == ["distance"]
    assert own_dataset(own_file, classes=["car"]).check_evaluation() == ["distance"]
    assert make_dataset().check_evaluation() == ["bbox"]


def test_a_subset_of_the_classes_is_evaluated_alone(own_file: Path, perfect_results):
    whole = own_dataset(own_file).evaluate(perfect_results(own_dataset(own_file)), None, "silent")
    dataset = own_dataset(own_file, classes=["pedestrian", "car"])
    metrics = dataset.evaluate(perfect_results(dataset), logger="silent")
    classes = {key.split("_")[1] for key in metrics if key.endswith("_AP")}
    assert classes == {"pedestrian", "car"}
    assert metrics["distance_car_AP"] == whole["distance_car_AP"] == pytest.approx(1, abs=EXACT)


def test_the_official_metric_of_own_data_is_refused_with_the_remedy(own_file: Path):
    with pytest.raises(UserError, match=r"no folder v1\.0-trainval.*--eval distance"):
        own_dataset(own_file).check_evaluation("bbox")


def test_an_unknown_metric_lists_the_known(own_file: Path):
    with pytest.raises(UserError, match="'map' is not known; choose from bbox, distance, iou"):
        own_dataset(own_file).check_evaluation(["distance", "map"])


@pytest.mark.parametrize("metric, fault", [("bbox", "--eval distance"), ("map", "choose from")])
def test_a_training_checks_its_metric_before_the_first_step(
    own_file: Path, metric: str, fault: str
):
    config = load_config(DEBUG)
    config.data.val.update(ann_file=str(own_file), data_root=str(own_file.parent))
    config.evaluation.metric = metric
    with pytest.raises(UserError, match=fault):
        _validation_set(config)
    del config.evaluation["metric"]
    assert len(_validation_set(config)) == 12


@pytest.mark.parametrize(
    "metrics, message",
    [
        (dict(frame="world"), "frame 'world'"),
        (dict(distances=dict()), "distances"),
        (dict(iou=dict(recall_points="many")), "recall_points"),
        (dict(distance=dict(thresholds=(2.0, -1.0))), "thresholds"),
    ],
)
def test_wrong_settings_are_one_line(own_file: Path, metrics: dict, message: str):
    with pytest.raises(UserError, match=message):
        own_dataset(own_file, metrics=metrics)


def test_hidden_boxes_do_not_have_to_be_found(own_file: Path, perfect_results):
    dataset = own_dataset(own_file)
    counts = [dataset.get_counted_boxes(index)[1] for index in range(len(dataset))]
    assert sum(int((~counted).sum()) for counted in counts) > 0
    visible = dataset.evaluate(perfect_results(dataset, min_visibility=2), "distance", "silent")
    all_boxes = dataset.evaluate(perfect_results(dataset, min_visibility=1), "distance", "silent")
    assert visible["distance_mAP"] == all_boxes["distance_mAP"] == pytest.approx(1, abs=EXACT)


def test_images_are_chosen_by_the_numbers_in_their_names(own_file: Path, tmp_path: Path):
    data = json.loads(own_file.read_text())
    for number, image in enumerate(data["images"]):
        image["file_name"] = f"front/{number:02d}.jpg"
    own_file.write_text(json.dumps(data))
    dataset = own_dataset(own_file, file_numbers=(3, 5))
    names = [info["filename"] for info in dataset.data_infos]
    assert names == ["front/03.jpg", "front/04.jpg", "front/05.jpg"]
    with pytest.raises(UserError, match="number from 90 to 99"):
        own_dataset(own_file, file_numbers=(90, 99))
    with pytest.raises(UserError, match="file_numbers is 7"):
        own_dataset(own_file, file_numbers=7)


def test_boxes_with_few_lidar_points_are_hidden(own_file: Path):
    data = json.loads(own_file.read_text())
    few = sum(each["num_lidar_pts"] < 20 for each in data["annotations"])
    dataset = own_dataset(own_file, min_lidar_points=20)
    infos = [dataset.get_ann_info(index) for index in range(len(dataset))]
    assert 0 < few == sum(int((info["visibility"] == 1).sum()) for info in infos)
