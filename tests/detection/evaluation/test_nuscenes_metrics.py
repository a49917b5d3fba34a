"""The official score of known detections, the submission file, and the split that is never guessed
wrong.
"""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from nuscenes import NuScenes

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.nuscenes_classes import ATTRIBUTES, CLASSES, DETECTION_RANGE
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.detection.evaluation import nuscenes_metrics
from epropnp_det.errors import UserError
from tests.nuscenes_factory import VERSION
from tests.tolerances import BOX_CENTER, PERFECT_SCORE


def submission(
    dataset: NuScenesCameraDataset, results: list[Boxes3D], folder: Path
) -> dict[str, list[dict]]:
    path, scratch = dataset.format_results(results, str(folder))
    assert scratch is None
    data = json.loads(path.read_text())
    assert data["meta"] == dict(
        use_camera=True, use_lidar=False, use_radar=False, use_map=False, use_external=False
    )
    return data["results"]


def no_results(dataset: NuScenesCameraDataset, perfect_results) -> list[Boxes3D]:
    return perfect_results(dataset, min_visibility=5)


def edited(results: list[Boxes3D], **changes) -> list[Boxes3D]:
    """Results with every image's values replaced: `name=function of (index, value)`."""
    return [
        replace(
            result,
            **{name: change(index, getattr(result, name)) for name, change in changes.items()},
        )
        for index, result in enumerate(results)
    ]


@pytest.mark.parametrize("split", ["train", "val"])
def test_ground_truth_scores_perfectly(make_dataset, perfect_results, split: str):
    dataset = make_dataset(split)
    metrics = dataset.evaluate(perfect_results(dataset), logger="silent")
    assert metrics["mAP"] > 1 - PERFECT_SCORE and metrics["mAP_present"] > 1 - PERFECT_SCORE
    assert metrics["NDS"] == pytest.approx(1, abs=PERFECT_SCORE)
    for name in ("mATE", "mASE", "mAOE", "mAVE", "mAAE", "mATE_present"):
        assert metrics[name] == pytest.approx(0, abs=PERFECT_SCORE)
    for name in CLASSES:
        assert metrics[f"{name}_AP"] > 1 - PERFECT_SCORE
        assert metrics[f"{name}_trans_err"] == pytest.approx(0, abs=BOX_CENTER)


def test_an_object_that_two_cameras_see_counts_once(make_dataset, perfect_results, tmp_path: Path):
    dataset = make_dataset()
    results = perfect_results(dataset)
    boxes = submission(dataset, results, tmp_path)
    places = {
        (token, *np.round(box["translation"], 2))
        for token, sample in boxes.items()
        for box in sample
    }
    assert sum(map(len, boxes.values())) == len(places)
    given = sum(map(len, results))
    in_range = dataset.evaluate(results, logger="silent")["mAP"]
    assert given > len(places) and in_range > 1 - PERFECT_SCORE


def test_duplicates_hurt_without_fusion(make_dataset, perfect_results):
    dataset = make_dataset(fusion=dict(nms_threshold=1.0))
    assert dataset.evaluate(perfect_results(dataset), logger="silent")["mAP"] < 1 - PERFECT_SCORE


def test_six_copies_with_lower_scores_change_nothing(make_dataset, perfect_results):
    dataset = make_dataset()
    doubled = [
        Boxes3D.cat([replace(found, score=found.score * (1 - 0.1 * copy)) for copy in range(6)])
        for found in perfect_results(dataset)
    ]
    assert dataset.evaluate(doubled, logger="silent")["mAP"] > 1 - PERFECT_SCORE


def test_displaced_boxes_score_what_they_should(make_dataset, perfect_results):
    dataset = make_dataset()

    def farther(_, pose):
        return pose + torch.tensor([0.0, 0.0, 0.7, 0.3])

    metrics = dataset.evaluate(edited(perfect_results(dataset), pose=farther), logger="silent")
    # 0.7 m is a match at 1, 2 and 4 m but not at 0.5 m; objects that two cameras see sit between
    # two displaced copies.
    assert metrics["pedestrian_AP"] == pytest.approx(0.75, abs=1e-3)
    assert metrics["pedestrian_trans_err"] == pytest.approx(0.7, abs=1e-3)
    assert metrics["pedestrian_orient_err"] == pytest.approx(0.3, abs=1e-2)


def test_attributes_stay_with_their_boxes_when_some_are_out_of_range(
    make_dataset, perfect_results, tmp_path: Path
):
    # mmdet3d drops boxes beyond the class range but keeps the list of attributes as long as it was.
    dataset = make_dataset()
    results = perfect_results(dataset)
    truth = {}
    nusc = NuScenes(VERSION, dataset.data_root, verbose=False)
    for row in nusc.sample_annotation:
        names = [nusc.get("attribute", token)["name"] for token in row["attribute_tokens"]]
        truth[row["sample_token"], tuple(np.round(row["translation"], 3))] = (
            names[0] if names else ""
        )
    boxes = submission(dataset, results, tmp_path)
    dropped = sum(map(len, results)) - sum(map(len, boxes.values()))
    assert dropped > 0
    for token, sample in boxes.items():
        for box in sample:
            assert box["attribute_name"] == truth[token, tuple(np.round(box["translation"], 3))]


def test_boxes_beyond_the_class_range_are_left_out(make_dataset, perfect_results, tmp_path: Path):
    dataset = make_dataset()
    origins = {info["token"]: np.array(info["range_origin"]) for info in dataset.data_infos}
    for token, sample in submission(dataset, perfect_results(dataset), tmp_path).items():
        for box in sample:
            distance = np.linalg.norm((np.array(box["translation"]) - origins[token])[:2])
            assert distance < DETECTION_RANGE[box["detection_name"]]


def test_attributes_that_a_class_does_not_have_are_left_empty(
    make_dataset, perfect_results, tmp_path: Path
):
    dataset = make_dataset()
    moving = ATTRIBUTES.index("vehicle.moving")
    results = edited(
        perfect_results(dataset), attribute=lambda _, value: torch.full_like(value, moving)
    )
    for sample in submission(dataset, results, tmp_path).values():
        for box in sample:
            vehicle = box["detection_name"] in (
                "car",
                "truck",
                "bus",
                "trailer",
                "construction_vehicle",
            )
            assert box["attribute_name"] == ("vehicle.moving" if vehicle else "")


def test_no_detection_at_all_scores_zero(make_dataset, perfect_results, tmp_path: Path):
    dataset = make_dataset()
    nothing = no_results(dataset, perfect_results)
    assert set(submission(dataset, nothing, tmp_path)) == {
        info["token"] for info in dataset.data_infos
    }
    metrics = dataset.evaluate(nothing, logger="silent")
    assert metrics["mAP"] == metrics["NDS"] == metrics["mAP_present"] == 0
    assert metrics["mATE"] == metrics["mATE_present"] == 1
    assert math.isnan(metrics["traffic_cone_orient_err"])


def test_broken_boxes_are_counted_and_left_out(make_dataset, perfect_results, tmp_path: Path):
    dataset = make_dataset()
    results = perfect_results(dataset)
    whole = submission(dataset, results, tmp_path / "whole")

    def break_first(index, value):
        broken = value.clone()
        broken[:1, index % value.shape[1]] = math.nan if index % 2 else -math.inf
        return broken

    with pytest.warns(UserWarning, match="not finite"):
        broken = submission(
            dataset,
            edited(results[:6], pose=break_first) + edited(results[6:], size=break_first),
            tmp_path / "broken",
        )
    assert 0 < sum(map(len, broken.values())) < sum(map(len, whole.values()))


def test_unknown_velocity_becomes_zero_in_the_submission(
    make_dataset, perfect_results, tmp_path: Path
):
    dataset = make_dataset()
    results = edited(perfect_results(dataset), velocity=lambda _, value: value * math.nan)
    for sample in submission(dataset, results, tmp_path).values():
        assert all(box["velocity"] == [0.0, 0.0] for box in sample)


def test_at_most_so_many_boxes_and_the_best_ones(make_dataset, perfect_results, tmp_path: Path):
    dataset = make_dataset(fusion=dict(max_boxes=3))
    generator = torch.Generator().manual_seed(0)
    results = edited(
        perfect_results(dataset),
        score=lambda _, value: torch.rand(value.shape, generator=generator),
    )
    everything = submission(make_dataset(), results, tmp_path / "all")
    for token, sample in submission(dataset, results, tmp_path / "best").items():
        scores = sorted((box["detection_score"] for box in everything[token]), reverse=True)
        assert [box["detection_score"] for box in sample] == scores[:3]


def test_results_stay_as_they_are(make_dataset, perfect_results, tmp_path: Path):
    # mmdet3d permutes the sizes of the boxes it is given.
    dataset = make_dataset()
    results = perfect_results(dataset)
    before = copy.deepcopy(results)
    submission(dataset, results, tmp_path)
    for a, b in zip(results, before):
        for name in ("pose", "size", "velocity", "score", "label", "attribute"):
            assert torch.equal(getattr(a, name).nan_to_num(-1), getattr(b, name).nan_to_num(-1))


def test_order_of_the_images_does_not_matter(make_dataset, perfect_results, tmp_path: Path):
    dataset, mixed = make_dataset(), make_dataset()
    order = np.random.default_rng(0).permutation(len(mixed)).tolist()
    mixed.data_infos = [mixed.data_infos[index] for index in order]
    a = submission(dataset, perfect_results(dataset), tmp_path / "a")
    b = submission(mixed, perfect_results(mixed), tmp_path / "b")
    for token in a:
        places = [
            sorted(tuple(np.round(box["translation"], 3)) for box in sample)
            for sample in (a[token], b[token])
        ]
        assert places[0] == places[1]


def test_one_result_per_image(make_dataset, perfect_results):
    dataset = make_dataset()
    with pytest.raises(UserError, match="11 results for the 12 images"):
        dataset.format_results(perfect_results(dataset)[:-1])


def test_another_metric_is_refused(make_dataset, perfect_results):
    with pytest.raises(UserError, match="segm"):
        make_dataset().evaluate([], metric="segm")


@pytest.fixture(scope="module")
def nusc(database: Path) -> NuScenes:
    return nuscenes_convert.open_database(database, VERSION)


def tokens(dataset: NuScenesCameraDataset) -> set[str]:
    return {info["token"] for info in dataset.data_infos}


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_split_follows_from_the_samples(make_dataset, nusc: NuScenes, split: str):
    samples = tokens(make_dataset(split))
    assert nuscenes_metrics.derive_eval_set(nusc, samples) == f"mini_{split}"
    assert nuscenes_metrics.derive_eval_set(nusc, samples, f"mini_{split}") == f"mini_{split}"


def test_a_wrong_eval_set_names_the_fitting_one(make_dataset, perfect_results):
    dataset = make_dataset("val", eval_set="mini_train")
    with pytest.raises(
        UserError, match=r"mini_train.*2 missing.*2 too many.*eval_set='mini_val' fits"
    ):
        dataset.evaluate(perfect_results(dataset))


def test_a_missing_sample_is_named(make_dataset, nusc: NuScenes):
    kept, missing = sorted(tokens(make_dataset("val")))
    with pytest.raises(UserError, match=f"mini_val.*1 missing \\({missing}\\).*no eval_set fits"):
        nuscenes_metrics.derive_eval_set(nusc, {kept})


def test_an_unknown_eval_set_lists_the_known(nusc: NuScenes):
    with pytest.raises(
        UserError, match=r"'val' does not exist in v1\.0-mini; choose from mini_train, mini_val"
    ):
        nuscenes_metrics.derive_eval_set(nusc, set(), "val")


def test_the_wrong_version_is_named_before_anything_runs(make_dataset, perfect_results):
    dataset = make_dataset(version="v1.0-trainval")
    with pytest.raises(UserError, match=r"no folder v1\.0-trainval"):
        dataset.evaluate(perfect_results(dataset))


def test_the_test_version_has_no_ground_truth(nusc: NuScenes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nusc, "version", "v1.0-test")
    with pytest.raises(UserError, match=r"no ground truth.*--format-only"):
        nuscenes_metrics.derive_eval_set(nusc, {"a"})


def test_the_table_lists_every_class(make_dataset, perfect_results):
    dataset = make_dataset()
    text = nuscenes_metrics.format_metrics_table(
        dataset.evaluate(perfect_results(dataset), logger="silent")
    )
    assert all(name in text for name in (*CLASSES, "NDS", "mAP", "mATE"))


def test_the_real_keyframe(keyframe: Path, perfect_results, tmp_path: Path):
    path = nuscenes_convert.write_annotation_files(keyframe, VERSION, tmp_path)[0]
    dataset = NuScenesCameraDataset(str(keyframe), str(path), [], version=VERSION, test_mode=True)
    metrics = dataset.evaluate(perfect_results(dataset), logger="silent")
    # Five of the ten classes have boxes in range, so 0.5 is the most there is.
    assert 0.494 <= metrics["mAP"] <= 0.5 + 1e-6
    assert metrics["mATE_present"] < PERFECT_SCORE
