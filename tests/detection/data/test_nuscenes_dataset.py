"""What training and testing get from the dataset."""

from __future__ import annotations

import copy
import functools
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.parallel import collate
from mmdet3d.datasets import build_dataset
from torch.utils.data import DataLoader

from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.detection.data.transforms import FilterObjects
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera
from tests.nuscenes_factory import VERSION
from tests.tolerances import UPRIGHT_CORNER

TEST_META_KEYS = ("filename", "ori_shape", "img_shape", "pad_shape", "flip", "camera")


@pytest.fixture(scope="module")
def training(make_dataset, training_pipeline: list[dict]) -> NuScenesCameraDataset:
    return make_dataset(pipeline=training_pipeline, test_mode=False)


def test_the_registry_builds_it(database: Path):
    ann_file = str(database / "nuscenes_mini_infos_val_mono3d.coco.json")
    config = dict(
        type="NuScenesCameraDataset",
        data_root=str(database),
        ann_file=ann_file,
        pipeline=[],
        version=VERSION,
        test_mode=True,
    )
    assert len(build_dataset(config)) == 12


def test_a_training_item(training: NuScenesCameraDataset):
    item = training[0]
    meta, image = item["img_metas"].data, item["img"].data
    assert image.shape == (3, 192, 416) and image.dtype == torch.float32
    assert meta["img_shape"] == (168, 400, 3) and meta["pad_shape"] == (192, 416, 3)
    assert isinstance(meta["camera"], Camera) and meta["camera"].shape == ()
    count = len(item["gt_labels_3d"].data)
    assert count > 0
    assert item["gt_bboxes_3d"].data.tensor.shape == (count, 9)
    assert item["gt_bboxes"].data.shape == (count, 4) and item["attr_labels"].data.shape == (count,)


def test_a_test_item_has_every_image_and_no_ground_truth(make_dataset):
    pipeline = [
        dict(type="LoadCameraImage"),
        dict(type="DefaultFormatBundle3D", class_names=None),
        dict(type="Collect3D", keys=["img"], meta_keys=TEST_META_KEYS),
    ]
    dataset = make_dataset(pipeline=pipeline)
    assert len(dataset) == 12
    item = dataset[3]
    assert set(item) == {"img", "img_metas"}
    assert set(item["img_metas"].data) == set(TEST_META_KEYS)


def test_nothing_a_pipeline_does_reaches_the_dataset(
    training: NuScenesCameraDataset, monkeypatch: pytest.MonkeyPatch
):
    # mmdet3d aliases cam2img to the cache, and its flip edits it in place.
    monkeypatch.setattr("random.random", lambda: 0.0)  # always flip
    infos, truth = (
        copy.deepcopy(training.data_infos),
        [training.get_ann_info(index) for index in range(len(training))],
    )
    first, second = training[0], training[0]
    assert training.data_infos == infos
    for index, before in enumerate(truth):
        after = training.get_ann_info(index)
        assert torch.equal(
            after["gt_bboxes_3d"].tensor.nan_to_num(-1),
            before["gt_bboxes_3d"].tensor.nan_to_num(-1),
        )
        np.testing.assert_array_equal(after["bboxes"], before["bboxes"])
    assert torch.equal(
        first["img_metas"].data["camera"].matrix, second["img_metas"].data["camera"].matrix
    )


def test_unknown_velocity_reaches_the_model_as_nan(training: NuScenesCameraDataset):
    boxes = torch.cat(
        [training[index]["gt_bboxes_3d"].data.tensor for index in range(len(training))]
    )
    unknown = boxes[:, 7:].isnan().all(dim=1)
    assert unknown.any() and not unknown.all()
    assert boxes[:, :7].isfinite().all()


def test_images_without_a_usable_box_are_dropped(make_dataset, training_pipeline: list[dict]):
    everything = make_dataset(pipeline=training_pipeline, test_mode=False, filter_empty_gt=False)
    filtered = make_dataset(pipeline=training_pipeline, test_mode=False)
    assert len(filtered) < len(everything) == 12
    assert all(len(filtered.get_ann_info(index)["labels"]) > 0 for index in range(len(filtered)))
    assert len(filtered.flag) == len(filtered)


def test_the_filter_counts_when_images_are_dropped(
    make_dataset, training_pipeline: list[dict], database: Path, tmp_path: Path
):
    data = json.loads((database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())
    front = {image["id"] for image in data["images"] if "CAM_FRONT/" in image["file_name"]}
    for annotation in data["annotations"]:
        annotation["visibility"] = 4 if annotation["image_id"] in front else 1
    (tmp_path / "dim.json").write_text(json.dumps(data))
    dataset = make_dataset(
        pipeline=training_pipeline, test_mode=False, ann_file=str(tmp_path / "dim.json")
    )
    assert {info["id"] for info in dataset.data_infos} == front


def test_what_is_not_trained_on_is_counted_by_reason_in_the_log(
    make_dataset, training_pipeline: list[dict], caplog: pytest.LogCaptureFixture
):
    """Each box is trained on, or counted once."""
    with caplog.at_level("INFO", logger="epropnp_det"):
        dataset = make_dataset(pipeline=training_pipeline, classes=["car"], test_mode=False)
    limits = next(step for step in dataset.pipeline.transforms if isinstance(step, FilterObjects))
    whole = make_dataset(pipeline=[], classes=["car"])
    kept = 0
    for index in range(len(whole)):
        info = whole.get_ann_info(index)
        seen = (info["bboxes"], info["visibility"], info["truncation"])
        kept += int(limits.limits.admit(*seen).sum())
    data = annotation_file.read_annotations(whole.ann_file)
    assert kept + sum(dataset.left_out.values()) == len(data["annotations"])
    (line,) = [
        record.message for record in caplog.records if "boxes not trained on" in record.message
    ]
    assert f"trains on {len(dataset)} of {len(whole)} images" in line
    assert "of category pedestrian, which is no class" in line and "hidden (visibility" in line


def test_an_image_left_empty_by_the_crop_gives_way_to_the_next(
    make_dataset, training_pipeline: list[dict]
):
    # Only the front cameras have something in this corner.
    pipeline = [
        dict(step, box=(880, 380, 1060, 900)) if step["type"] == "CropImage" else step
        for step in training_pipeline
    ]
    dataset = make_dataset(pipeline=pipeline, test_mode=False)
    empty = [index for index in range(len(dataset)) if dataset.prepare_train_img(index) is None]
    assert 0 < len(empty) < len(dataset)
    names = [dataset[empty[0]]["img_metas"].data["filename"] for _ in range(2)]
    assert names[0] == names[1]
    assert all(len(dataset[index]["gt_labels_3d"].data) > 0 for index in range(len(dataset)))


def test_no_image_left_is_an_error_not_a_loop(make_dataset, training_pipeline: list[dict]):
    pipeline = [
        dict(step, box=(0, 0, 20, 20)) if step["type"] == "CropImage" else step
        for step in training_pipeline
    ]
    with pytest.raises(UserError, match="loosen its filters or its crop"):
        make_dataset(pipeline=pipeline, test_mode=False)[0]
    strict = [
        dict(step, min_visibility=5) if step["type"] == "FilterObjects" else step
        for step in training_pipeline
    ]
    with pytest.raises(UserError, match="no image of"):
        make_dataset(pipeline=strict, test_mode=False)


def test_workers_carry_camera_and_boxes(
    training: NuScenesCameraDataset, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "random.random", lambda: 1.0
    )  # never flip, here and in the workers forked from here
    loader = DataLoader(
        training,
        batch_size=2,
        num_workers=2,
        collate_fn=functools.partial(collate, samples_per_gpu=2),
    )
    seen = 0
    for batch in loader:
        for meta, boxes in zip(batch["img_metas"].data[0], batch["gt_bboxes_3d"].data[0]):
            expected = training[seen]
            assert meta["filename"] == expected["img_metas"].data["filename"]
            assert torch.equal(meta["camera"].matrix, expected["img_metas"].data["camera"].matrix)
            assert torch.equal(
                boxes.tensor.nan_to_num(-1), expected["gt_bboxes_3d"].data.tensor.nan_to_num(-1)
            )
            seen += 1
    assert seen == len(training)


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty"])
def test_a_bad_image_is_named(database: Path, make_dataset, tmp_path: Path, damage: str):
    shutil.copytree(database / "samples", tmp_path / "samples")
    dataset = make_dataset(pipeline=[dict(type="LoadCameraImage")], img_prefix=str(tmp_path))
    path = tmp_path / dataset.data_infos[0]["filename"]
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:2000])
    with pytest.raises(UserError, match=path.name):
        dataset[0]
    assert dataset[1]["img"].shape == (900, 1600, 3)


def test_category_ids_for_class_balancing(make_dataset):
    dataset = make_dataset()
    assert [dataset.cat2label[index] for index in dataset.get_cat_ids(0)] == dataset.get_ann_info(
        0
    )["labels"].tolist()


def test_an_unknown_fusion_setting_is_named(make_dataset):
    with pytest.raises(UserError, match="nms_thresold"):
        make_dataset(fusion=dict(nms_thresold=0.1))


def test_boxes_lie_where_the_image_shows_them(make_dataset):
    dataset = make_dataset(pipeline=[dict(type="LoadCameraImage")])
    for index in range(len(dataset)):
        info = dataset.get_ann_info(index)
        camera = dataset[index]["camera"]
        pixels = (
            camera.project(info["gt_bboxes_3d"].corners.flatten(0, 1)).reshape(-1, 8, 2).numpy()
        )
        for corners, rectangle, cut in zip(pixels, info["bboxes"], info["truncation"]):
            if cut < 1e-6:
                expected = [*corners.min(axis=0), *corners.max(axis=0)]
                np.testing.assert_allclose(rectangle, expected, atol=UPRIGHT_CORNER)


def test_gray_images_are_loaded_in_colour(database: Path, make_dataset, tmp_path: Path):
    shutil.copytree(database / "samples", tmp_path / "samples")
    dataset = make_dataset(pipeline=[dict(type="LoadCameraImage")], img_prefix=str(tmp_path))
    cv2.imwrite(str(tmp_path / dataset.data_infos[0]["filename"]), np.zeros((900, 1600), np.uint8))
    assert dataset[0]["img"].shape == (900, 1600, 3)
