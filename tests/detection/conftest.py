from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from epropnp_det import compat  # noqa: F401  before mmdet3d
from epropnp_det.detection.boxes import Boxes3D, from_mmdet3d
from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from tests.nuscenes_factory import VERSION, write_database

from .recordings import (  # noqa: F401  fixtures
    components,
    head_of_recording,
    head_of_step,
    recorded_head,
    recorded_step,
)

IMAGE_NORM = dict(
    type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
TRAINING_KEYS = ["img", "gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels"]
META_KEYS = (
    "filename",
    "ori_shape",
    "img_shape",
    "pad_shape",
    "scale_factor",
    "flip",
    "img_norm_cfg",
    "camera",
)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small nuScenes database with its annotation files. Read only: copy it to change it."""
    root = write_database(tmp_path_factory.mktemp("nuscenes") / "data")
    nuscenes_convert.write_annotation_files(root, VERSION)
    return root


@pytest.fixture(scope="session")
def keyframe() -> Path:
    """The folder of a database with one real keyframe, from the environment variable
    EPROPNP_KEYFRAME.
    """
    if "EPROPNP_KEYFRAME" not in os.environ:
        pytest.skip("EPROPNP_KEYFRAME does not name a folder with a real keyframe")
    return Path(os.environ["EPROPNP_KEYFRAME"])


@pytest.fixture(scope="session")
def make_dataset(database: Path):
    """Builds a dataset on the small database; `split` is "train" or "val", other arguments go to
    the dataset.
    """

    def make(split: str = "train", **settings) -> NuScenesCameraDataset:
        ann_file = database / f"nuscenes_mini_infos_{split}_mono3d.coco.json"
        defaults = dict(
            data_root=str(database),
            ann_file=str(ann_file),
            pipeline=[],
            version=VERSION,
            test_mode=True,
        )
        return NuScenesCameraDataset(**{**defaults, **settings})

    return make


@pytest.fixture(scope="session")
def perfect_results():
    """The ground truth of a dataset in the form of a model's results; boxes below a visibility are
    left out.
    """

    def make(dataset: NuScenesCameraDataset, min_visibility: int = 2) -> list[Boxes3D]:
        return [
            _perfect_result(dataset.get_ann_info(index), min_visibility)
            for index in range(len(dataset))
        ]

    return make


def _perfect_result(info: dict, min_visibility: int) -> Boxes3D:
    pose, size, velocity = from_mmdet3d(info["gt_bboxes_3d"])
    boxes = Boxes3D(
        pose=pose,
        size=size,
        label=torch.from_numpy(info["gt_labels_3d"]),
        velocity=velocity,
        attribute=torch.from_numpy(info["attr_labels"]),
        score=torch.ones(len(pose)),
    )
    return boxes[torch.from_numpy(info["visibility"] >= min_visibility)]


@pytest.fixture(scope="session")
def training_pipeline() -> list[dict]:
    return [
        dict(type="LoadCameraImage"),
        dict(type="LoadCameraAnnotations"),
        dict(type="CropImage", box=(0, 228, 1600, 900)),
        dict(type="ResizeImage", scale=0.25),
        dict(type="FlipImage", prob=0.5),
        dict(type="FilterObjects", min_visibility=2, max_truncation=0.8, min_box_size=4.0),
        IMAGE_NORM,
        dict(type="Pad", size_divisor=32),
        dict(type="DefaultFormatBundle3D", class_names=None),
        dict(type="Collect3D", keys=TRAINING_KEYS, meta_keys=META_KEYS),
    ]
