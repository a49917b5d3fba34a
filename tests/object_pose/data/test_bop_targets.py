"""The targets of a BOP split as a test has them, and the scores of poses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det.drawing.palette import class_rgb
from epropnp_det.engine.prediction import predict_dataset
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.bop_targets import BopTargets
from epropnp_det.object_pose.evaluation.bop_results import read_results
from epropnp_det.object_pose.evaluation.coverage import coverage_table, read_levels
from epropnp_det.object_pose.reports.target_pictures import draw_targets
from epropnp_det.object_pose.structures import ObjectPoses
from tests import tolerances
from tests.object_pose import bop_factory
from tests.object_pose.small import PATCH, small_estimator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return bop_factory.write_dataset(tmp_path / "bop_set")


def targets(root: Path, **changes) -> BopTargets:
    return BopTargets(str(root), **(dict(patch=dict(size=PATCH)) | changes))


def perfect(dataset: BopTargets, samples: int = 64, spread: float = 0.0) -> list[dict]:
    """True poses; samples differ from them by up to `spread` metres."""
    results = []
    rng = np.random.default_rng(0)
    for box in dataset.boxes:
        pose = torch.tensor(box.instance.pose.to_vector())[None]
        moved = pose[:, None].repeat(1, samples, 1)
        moved[..., :3] += torch.tensor(rng.normal(0, max(spread, 1e-6), (1, samples, 3)))
        moved[..., 3:] += torch.tensor(rng.normal(0, 1e-6, (1, samples, 4)))
        weight = torch.full((1, samples), 1 / samples)
        valid = torch.ones(1, dtype=torch.bool)
        zero = torch.zeros(1)
        results.append(
            dict(object_pose=ObjectPoses(pose, torch.eye(6)[None], zero, valid, moved, weight))
        )
    return results


def test_true_poses_are_found(root: Path, tmp_path: Path):
    dataset = targets(root)
    assert len(dataset) == 4 and dataset.CLASSES == ("obj_000001", "obj_000002")
    out = tmp_path / "out"
    out.mkdir()
    numbers = dataset.evaluate(perfect(dataset), jsonfile_prefix=str(out))
    assert all(numbers[name] == 1 for name in numbers if name.split("/")[0].startswith("A"))
    assert numbers["5 deg 5 cm/obj_000002"] == 1 and numbers["invalid poses"] == 0
    found = read_results(out / "epropnp_bopset-test.csv")
    for result, box in zip(found, dataset.boxes, strict=True):
        difference = result.pose.translation - box.instance.pose.translation
        assert np.abs(difference).max() < tolerances.EXACT
    assert "| mean of objects | 100.0" in (out / "table.md").read_text()
    assert len(json.loads((out / "levels.json").read_text())) == 4


def test_pictures_show_the_outlines_of_true_poses_in_the_colour_of_the_prediction(
    root: Path, tmp_path: Path
):
    """The predicted outline covers the white one of the ground truth where both agree."""
    dataset = targets(root)
    poses = [result["object_pose"] for result in perfect(dataset)]
    draw_targets(dataset.boxes, poses, dataset.models, tmp_path / "pictures")
    picture = cv2.imread(str(tmp_path / "pictures" / "000003_000007.jpg"))
    assert picture.shape == (960, 1280, 3)
    color = np.array(class_rgb(0))[::-1]
    near = np.abs(picture.astype(int) - color).sum(axis=-1) < tolerances.DRAWN_COLOR
    image = cv2.imread(str(root / "test" / "000003" / "rgb" / "000007.png"))
    assert near.sum() > 500
    assert (np.abs(image.astype(int) - color).sum(axis=-1) >= tolerances.DRAWN_COLOR).all()


def test_coverage_is_drawn_from_the_levels_of_a_test(root: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    dataset = targets(root)
    numbers = dataset.evaluate(perfect(dataset, spread=0.01), jsonfile_prefix=str(out))
    assert cv2.imread(str(out / "coverage.png")).shape == (480, 1100, 3)
    levels = read_levels(out / "levels.json")
    assert [each.symmetric for each in levels] == [False, True, False, True]
    table = coverage_table(levels)
    assert table == {name: numbers[name] for name in table}
    with pytest.raises(UserError, match=r"missing\.json cannot be read"):
        read_levels(tmp_path / "missing.json")
    bop_factory.write(tmp_path / "other.json", [dict(pose=1)])
    with pytest.raises(UserError, match="is no file of levels"):
        read_levels(tmp_path / "other.json")


def test_an_invalid_pose_is_counted_and_finds_nothing(root: Path):
    dataset = targets(root)
    results = perfect(dataset)
    bad = results[0]["object_pose"]
    results[0] = dict(object_pose=ObjectPoses(*[*vars(bad).values()][:3], ~bad.valid))
    numbers = dataset.evaluate(results)
    assert numbers["invalid poses"] == 1
    assert numbers["ADD(-S) 0.1d"] == 0.75 and numbers["AR_MSSD/targets"] == 0.75


def test_jitter_moves_boxes_by_its_share_alone(root: Path):
    true = np.array([each.box for each in targets(root).boxes])
    moved = np.array([each.box for each in targets(root, jitter=0.1).boxes])
    again = np.array([each.box for each in targets(root, jitter=0.1).boxes])
    other = np.array([each.box for each in targets(root, jitter=0.1, seed=1).boxes])
    assert (moved == again).all() and (moved != other).any()
    size = true[:, 2:]
    change = (moved[:, :2] + moved[:, 2:] / 2 - true[:, :2] - size / 2) / size
    assert 0 < np.abs(change).max() <= 0.1
    assert 0 < np.abs(moved[:, 2:] / size - 1).max() <= 0.1


def test_boxes_of_a_detector(root: Path):
    box = dict(scene_id=3, image_id=7, category_id=1, bbox=[40, 30, 50, 40], score=0.5, time=0.1)
    entries = [box, dict(box, score=0.9, bbox=[45, 35, 50, 40]), dict(box, category_id=2)]
    bop_factory.write(root / "found.json", entries)
    dataset = targets(root, detections=str(root / "found.json"))
    # The target counts one instance: the detection of higher score.
    assert [(each.object_id, each.score) for each in dataset.boxes] == [(1, 0.9), (2, 0.5)]
    bop_factory.write(root / "found.json", [dict(box, bbox=[500, 30, 50, 40])])
    with pytest.raises(UserError, match=r"found\.json: a box overlaps its image of 160x120"):
        targets(root, detections=str(root / "found.json"))
    bop_factory.write(root / "found.json", [dict(box, category_id=9)])
    with pytest.raises(UserError, match="every category_id has a model"):
        targets(root, detections=str(root / "found.json"))


def test_of_several_detections_of_a_target_the_surest_pose_counts(root: Path, tmp_path: Path):
    """The better detection leads to a wrong pose with a wide posterior, the other to the true one;
    a third leads to the true pose again and is left out.
    """
    true = [each for each in targets(root).boxes if each.image.image_id == 7]
    scores = (0.9, 0.5, 0.4)
    entries = [
        dict(scene_id=3, image_id=7, category_id=each.object_id, bbox=[40, 30, 50, 40], score=score)
        for each in true
        for score in scores
    ]
    bop_factory.write(root / "found.json", entries)
    found = str(root / "found.json")
    assert len(targets(root, detections=found).boxes) == len(true)
    dataset = targets(root, detections=found, candidates=3)
    assert [each.score for each in dataset.boxes] == list(scores) * len(true)
    results = []
    for each in true:
        pose = torch.tensor(each.instance.pose.to_vector())[None]
        away = pose + torch.tensor([0.0, 0, 1, 0, 0, 0, 0])
        results += [unsure(away, 0.5), unsure(pose, 1e-6), unsure(pose, 1e-6)]
    numbers = dataset.evaluate(results, jsonfile_prefix=str(tmp_path))
    # Two of four targets are in this image.
    assert numbers["ADD(-S) 0.1d/targets"] == 0.5 and numbers["invalid poses"] == 0
    written = read_results(tmp_path / "epropnp_bopset-test.csv")
    assert [result.score for result in written][1::2] == pytest.approx([0.5, 0.5])
    assert max(result.score for result in written[::2]) < 0.3 and len(written) == 4
    with pytest.raises(UserError, match="candidates is 0; it must be a whole number from 1"):
        targets(root, detections=found, candidates=0)


def test_a_detection_without_a_pose_leaves_the_others_alone(root: Path):
    """Without samples the score is the detection's."""
    true = [each for each in targets(root).boxes if each.image.image_id == 7]
    entries = [
        dict(scene_id=3, image_id=7, category_id=each.object_id, bbox=[40, 30, 50, 40], score=score)
        for each in true
        for score in (0.9, 0.5)
    ]
    bop_factory.write(root / "found.json", entries)
    dataset = targets(root, detections=str(root / "found.json"), candidates=2)
    results = []
    for each in true:
        pose = torch.tensor(each.instance.pose.to_vector())[None]
        settings = torch.eye(6)[None], torch.zeros(1)
        valid = torch.ones(1, dtype=torch.bool)
        results += [
            dict(object_pose=ObjectPoses(pose * torch.nan, *settings, ~valid)),
            dict(object_pose=ObjectPoses(pose, *settings, valid)),
        ]
    numbers = dataset.evaluate(results)
    assert numbers["ADD(-S) 0.1d/targets"] == 0.5 and numbers["invalid poses"] == 2


def unsure(pose: torch.Tensor, spread: float) -> dict:
    """A pose (1, 7) whose samples differ by normal distances of `spread` metres."""
    generator = torch.Generator().manual_seed(0)
    samples = pose[:, None].repeat(1, 64, 1)
    samples[..., :3] += spread * torch.randn(samples[..., :3].shape, generator=generator)
    valid = torch.ones(1, dtype=torch.bool)
    weight = torch.full((1, 64), 1 / 64)
    covariance = torch.eye(6)[None]
    return dict(object_pose=ObjectPoses(pose, covariance, torch.zeros(1), valid, samples, weight))


def test_objects_images_and_splits_can_be_chosen(root: Path):
    dataset = targets(root, objects=(2,), every=2)
    assert [(each.image.image_id, each.object_id) for each in dataset.boxes] == [(0, 2)]
    assert dataset[0]["object_index"] == 0
    # Without a file of targets every object that is visible enough is one.
    assert len(targets(root, targets_file=None)) == 4


@pytest.mark.parametrize(
    "changes, line",
    [
        (dict(objects=(5,)), r"objects \[5\] have no model"),
        (dict(split="val"), "the splits of"),
        (dict(test_mode=False), "BopTargets is for tests"),
        (dict(every=0), "every is 0"),
        (dict(targets_file="missing.json"), r"missing\.json cannot be read"),
    ],
)
def test_wrong_settings_end_in_one_line(root: Path, changes: dict, line: str):
    with pytest.raises(UserError, match=line):
        targets(root, **changes)


def test_a_target_without_its_image_and_an_unknown_metric(root: Path):
    with pytest.raises(UserError, match="the only metric of object poses is bop"):
        targets(root).evaluate([], metric="bbox")
    bop_factory.write(
        root / "test_targets_bop19.json", [dict(scene_id=3, im_id=1, obj_id=1, inst_count=1)]
    )
    with pytest.raises(UserError, match="image 1 of scene 3 is not in the split"):
        targets(root)


def test_a_split_without_ground_truth_gives_a_result_file(root: Path, tmp_path: Path):
    dataset = targets(root)
    results = perfect(dataset)
    boxes = [
        dict(
            scene_id=each.image.scene_id,
            image_id=each.image.image_id,
            category_id=each.object_id,
            bbox=each.box.tolist(),
            score=1.0,
        )
        for each in dataset.boxes
    ]
    bop_factory.write(root / "found.json", boxes)
    for name in ("scene_gt.json", "scene_gt_info.json"):
        (root / "test" / "000003" / name).unlink()
    blind = targets(root, detections=str(root / "found.json"))
    path, _ = blind.format_results(results, str(tmp_path))
    assert Path(path).name == "epropnp_bopset-test.csv" and len(read_results(path)) == 4
    with pytest.raises(UserError, match="image 0 of scene 3 shows 0 of 1"):
        blind.check_evaluation(None)


def test_a_target_whose_object_has_no_model_ends_in_one_line(root: Path):
    file = root / "models" / "models_info.json"
    info = json.loads(file.read_text())
    del info["2"]
    bop_factory.write(file, info)
    with pytest.raises(UserError, match=r"objects \[2\] of the targets have no model"):
        targets(root)
    assert len(targets(root, objects=(1,))) == 2


def test_results_do_not_depend_on_the_rest_of_the_test(root: Path):
    model = small_estimator(
        test_cfg=dict(start="random", samples=True, pnp=dict(mc_samples=64, lm_iterations=5))
    ).eval()
    everything = predict_dataset(model, targets(root), workers=1)
    second = predict_dataset(model, targets(root, objects=(1, 2), every=2), workers=0)
    for one, other in zip(everything[:2], second, strict=True):
        for name, value in vars(one["object_pose"]).items():
            again = getattr(other["object_pose"], name)
            torch.testing.assert_close(value, again, rtol=0, atol=0, equal_nan=True)
    assert everything[0]["object_pose"].sample_pose.shape == (1, 64, 7)


def test_more_objects_than_the_head_has_end_in_one_line(root: Path):
    settings = dict(type="CorrespondenceHead", in_channels=16, objects=1)
    model = small_estimator(head=settings).eval()
    with pytest.raises(UserError, match=r"set model\.head\.objects"):
        predict_dataset(model, targets(root), workers=0)
