"""COCO annotations of a BOP split, and detections back in BOP's form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmcv import ConfigDict
from pycocotools import mask as rle

from epropnp_det.engine.config import build_dataset
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.bop_dataset import read_mask, read_split
from epropnp_det.object_pose.data.coco_objects import CocoObjects, category_names, plain_run_lengths
from epropnp_det.object_pose.data.detection_file import read_detections
from tests.object_pose import bop_factory

PIPELINE = [dict(type="LoadImageFromFile")]


@pytest.fixture
def root(call: Callable, tmp_path: Path) -> Path:
    folder = bop_factory.write_dataset(tmp_path / "bop")
    code, out, _ = call("create_data", "bop", folder, "--coco")
    assert code == 0 and f"wrote {folder / 'coco_test.json'}" in out
    return folder


def dataset_of(root: Path) -> CocoObjects:
    file = str(root / "coco_test.json")
    return CocoObjects(file, PIPELINE, img_prefix=str(root), test_mode=True)


def perfect_results(dataset: CocoObjects) -> list[tuple]:
    """The annotations themselves, as a detector of mmdet with masks returns them."""
    results = []
    for index in range(len(dataset)):
        found = dataset.get_ann_info(index)
        boxes = []
        masks = []
        for label in range(len(dataset.CLASSES)):
            own = found["labels"] == label
            score = np.ones((own.sum(), 1), np.float32)
            boxes.append(np.concatenate([found["bboxes"][own].reshape(-1, 4), score], axis=1))
            masks.append([mask for mask, chosen in zip(found["masks"], own) if chosen])
        results.append((boxes, masks))
    return results


def test_annotations_are_boxes_and_visible_masks_of_the_split(root: Path) -> None:
    content = json.loads((root / "coco_test.json").read_text())
    assert [each["name"] for each in content["categories"]] == ["obj_000001", "obj_000002"]
    images = {(each.scene_id, each.image_id): each for each in read_split(root, "test")}
    assert len(content["images"]) == len(images) and content["annotations"]
    listed = {each["id"]: each for each in content["images"]}
    for each in content["annotations"]:
        info = listed[each["image_id"]]
        image = images[info["scene_id"], info["im_id"]]
        assert root / info["file_name"] == image.path
        mask = rle.decode(each["segmentation"]) > 0
        own = [
            instance
            for instance in image.instances
            if instance.object_id == each["category_id"]
            and np.array_equal(read_mask(image, instance.index, visible=True), mask)
        ]
        assert own and each["area"] == mask.sum()
        x, y, w, h = each["bbox"]
        assert x >= 0 and y >= 0 and x + w <= info["width"] and y + h <= info["height"]
        rows, columns = np.nonzero(mask)
        assert x <= columns.min() and columns.max() + 1 <= x + w
        assert y <= rows.min() and rows.max() + 1 <= y + h
        assert each["iscrowd"] == int(own[0].visibility < 0.1)


def test_annotations_as_results_are_perfect_and_go_out_in_the_form_of_bop(
    root: Path, tmp_path: Path
) -> None:
    dataset = dataset_of(root)
    results = perfect_results(dataset)
    numbers = dataset.evaluate(results, jsonfile_prefix=str(tmp_path), logger="silent")
    assert numbers["bbox_mAP_50"] == 1 and numbers["segm_mAP_50"] == 1
    read = read_detections(tmp_path / "detections.json")
    boxes = [box for found, _ in results for own in found for box in own]
    assert len(read) == len(boxes) > 0
    for each, box in zip(read, boxes):
        assert np.allclose(each.box, [*box[:2], *(box[2:4] - box[:2])]) and each.score == 1
    ids = {(each["scene_id"], each["im_id"]) for each in dataset.data_infos}
    assert {(each.scene_id, each.image_id) for each in read} <= ids
    assert {each.object_id for each in read} <= {1, 2}


def test_scenes_without_masks_have_boxes_alone(root: Path, call: Callable) -> None:
    with_masks = json.loads((root / "coco_test.json").read_text())
    for folder in (root / "test").glob("*/mask_visib"):
        shutil.rmtree(folder)
    assert call("create_data", "bop", root, "--coco", "test", "--overwrite")[0] == 0
    content = json.loads((root / "coco_test.json").read_text())
    boxes = [each["bbox"] for each in content["annotations"]]
    assert boxes == [each["bbox"] for each in with_masks["annotations"]]
    assert not any("segmentation" in each for each in content["annotations"])
    assert [each["area"] for each in content["annotations"]] == [w * h for _, _, w, h in boxes]
    dataset = dataset_of(root)
    assert dataset.check_evaluation() == ["bbox"]
    with pytest.raises(UserError, match=r"coco_test\.json has no masks; use --eval bbox"):
        dataset.check_evaluation(["bbox", "segm"])
    boxes_alone = [
        [
            np.insert(found["bboxes"][found["labels"] == label].reshape(-1, 4), 4, 1.0, axis=1)
            for label in range(len(dataset.CLASSES))
        ]
        for found in map(dataset.get_ann_info, range(len(dataset)))
    ]
    assert dataset.evaluate(boxes_alone, logger="silent")["bbox_mAP_50"] == 1


def test_a_scene_with_neither_masks_nor_boxes_is_one_line(root: Path, call: Callable) -> None:
    for folder in (root / "test").glob("*"):
        shutil.rmtree(folder / "mask_visib")
        (folder / "scene_gt_info.json").unlink()
    code, _, error = call("create_data", "bop", root, "--coco", "test", "--overwrite")
    assert code == 2 and "has neither masks (mask_visib) nor boxes (bbox_obj in" in error


def test_no_detection_at_all_is_a_result(root: Path) -> None:
    dataset = dataset_of(root)
    nothing = [np.zeros((0, 5), np.float32) for _ in dataset.CLASSES]
    numbers = dataset.evaluate([nothing] * len(dataset), metric="bbox")
    assert numbers["bbox_mAP_50"] == 0


@pytest.mark.parametrize("first", [0, 1])
def test_plain_run_lengths_are_the_mask(first: int) -> None:
    mask = (np.random.default_rng(0).random((7, 5)) > 0.5).astype(np.uint8)
    mask[0, 0] = first
    plain = plain_run_lengths(rle.encode(np.asfortranarray(mask)))
    assert sum(plain["counts"]) == mask.size
    again = rle.decode(rle.frPyObjects(plain, *mask.shape))
    assert np.array_equal(again, mask)


def test_a_file_that_is_there_stays(root: Path, call: Callable) -> None:
    file = root / "coco_test.json"
    file.write_text("{}")
    code, out, _ = call("create_data", "bop", root, "--coco", "test")
    assert code == 0 and "--overwrite writes it again" in out and file.read_text() == "{}"
    assert call("create_data", "bop", root, "--coco", "test", "--overwrite")[0] == 0
    assert len(dataset_of(root).CLASSES) == 2


def test_mistakes_are_one_line(root: Path, call: Callable) -> None:
    code, _, error = call("create_data", "bop", root, "--coco", "nothing")
    assert code == 2 and "nothing is missing; the splits of" in error
    code, _, error = call("create_data", "bop", "--models", root / "models", "--coco")
    assert code == 2 and "--coco needs the folder" in error
    next((root / "test").glob("*/mask_visib/*.png")).unlink()
    code, _, error = call("create_data", "bop", root, "--coco", "--overwrite")
    assert code == 2 and "cannot be read" in error
    with pytest.raises(UserError, match="--eval bop: the metrics of detections are"):
        dataset_of(root).check_evaluation(["bop"])
    settings = ConfigDict(type="CocoObjects", ann_file="none.json", pipeline=PIPELINE)
    with pytest.raises(UserError, match=r"none\.json cannot be read: .* --coco"):
        build_dataset(settings, test_mode=True, config=ConfigDict(filename="config.py"))


def test_a_file_that_is_nested_deeply_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "coco_test.json"
    file.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"coco_test\.json is nested too deeply: .* --coco"):
        category_names(str(file))


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.png", "link.png"])
def test_file_names_stay_below_the_folder_of_the_images(
    root: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (root / "link.png").symlink_to(tmp_path / "a.png")
    file = root / "coco_test.json"
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = name
    file.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"coco_test\.json: file name .* leaves the data root"):
        dataset_of(root)
