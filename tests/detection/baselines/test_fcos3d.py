"""The baseline sees what our detector sees: a training step and a prediction on a real pipeline's
output.
"""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.detection.boxes import from_mmdet3d
from epropnp_det.detection.data import nuscenes_convert
from tests.nuscenes_factory import VERSION, write_database

CONFIGS = Path(__file__).parents[3] / "configs" / "detection" / "synthetic"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    folder = write_database(tmp_path_factory.mktemp("nuscenes") / "data")
    nuscenes_convert.write_annotation_files(str(folder), VERSION, None)
    return str(folder)


def at(root: str, settings: dict) -> dict:
    """The settings of a dataset, for the one under `root`."""
    return dict(
        copy.deepcopy(settings),
        data_root=root,
        ann_file=f"{root}/{Path(settings['ann_file']).name}",
    )


def dataset(name: str, split: str, root: str):
    return build_dataset(at(root, Config.fromfile(str(CONFIGS / name)).data[split]))


def batch(item: dict) -> dict:
    collated = collate([item], samples_per_gpu=1)
    return {key: value.data[0] for key, value in collated.items()}


def first_item(name: str, root: str) -> dict:
    """First training item, with the same luck at flipping each time."""
    random.seed(3)
    return dataset(name, "train", root)[0]


def test_both_models_train_on_the_same_pixels_and_boxes(root):
    ours, theirs = (
        first_item("epropnp_r18_synthetic.py", root),
        first_item("fcos3d_r18_synthetic.py", root),
    )
    torch.testing.assert_close(ours["img"].data, theirs["img"].data)
    torch.testing.assert_close(
        ours["gt_bboxes_3d"].data.tensor[:, :7], theirs["gt_bboxes_3d"].data.tensor[:, :7]
    )


def test_baseline_is_tested_on_images_as_those_of_its_last_steps(root):
    def trained_on(name: str):
        worlds = Config.fromfile(str(CONFIGS / name)).data.train.datasets
        return build_dataset(at(root, worlds[0]))[0]["img"].data.shape

    tested_on = dataset("fcos3d_r18_varied_whole.py", "val", root)[0]["img"].data.shape
    assert (
        trained_on("fcos3d_r18_varied_whole.py") == tested_on != trained_on("fcos3d_r18_varied.py")
    )


def test_images_of_several_worlds_are_one_dataset(root):
    single = dataset("fcos3d_r18_synthetic.py", "train", root)
    settings = Config.fromfile(str(CONFIGS / "fcos3d_r18_varied.py")).data.train
    both = build_dataset(
        dict(settings, datasets=[at(root, world) for world in settings.datasets[:2]])
    )
    assert len(both) == 2 * len(single) and both.CLASSES == single.CLASSES
    assert (
        both[len(both) - 1]["centers2d"].data.shape
        == single[len(single) - 1]["centers2d"].data.shape
    )


def test_projected_centres_belong_to_the_pixels(root):
    item = dataset("fcos3d_r18_synthetic.py", "train", root)[0]
    pose, _, _ = from_mmdet3d(item["gt_bboxes_3d"].data)
    camera = item["img_metas"].data["camera"]
    torch.testing.assert_close(item["centers2d"].data, camera.project(pose[:, :3]))
    torch.testing.assert_close(item["depths"].data, pose[:, 2])
    assert item["gt_bboxes_3d"].data.tensor.isfinite().all()


def test_baseline_trains_and_predicts(root):
    torch.manual_seed(0)
    model = build_model(Config.fromfile(str(CONFIGS / "fcos3d_r18_synthetic.py")).model)
    model.init_weights()
    losses = model.train()(**batch(dataset("fcos3d_r18_synthetic.py", "train", root)[0]))
    total = sum(value if torch.is_tensor(value) else sum(value) for value in losses.values())
    total.backward()
    assert total.isfinite() and all(
        p.grad.isfinite().all() for p in model.parameters() if p.grad is not None
    )
    model.eval().bbox_head.test_cfg.score_thr = 0.0
    with torch.no_grad():
        found = model(
            return_loss=False,
            rescale=True,
            **batch(dataset("fcos3d_r18_synthetic.py", "val", root)[0]),
        )[0]
    assert len(found.pose) == len(found.score) == len(found.attribute) > 0


@pytest.mark.parametrize("name", ["epropnp_r18_synthetic.py", "fcos3d_r18_synthetic.py"])
def test_models_of_the_comparison_are_small(name):
    model = build_model(Config.fromfile(str(CONFIGS / name)).model)
    assert sum(p.numel() for p in model.parameters()) <= 2.4e6
