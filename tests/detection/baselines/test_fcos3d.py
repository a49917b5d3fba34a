"""The baseline sees what our detector sees: a training step and a prediction on a real pipeline's
output.
"""

from __future__ import annotations

import copy
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate
from mmdet.datasets.pipelines import Pad
from mmdet3d.datasets import build_dataset
from mmdet3d.models import build_model

from epropnp_det.detection.baselines.fcos3d_inputs import AddFCOS3DInputs
from epropnp_det.detection.boxes import Boxes3D, from_mmdet3d
from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.transforms import (
    CropImage,
    FlipImage,
    LoadCameraImage,
    ResizeImage,
)
from tests.nuscenes_factory import VERSION, write_database
from tests.tolerances import EXACT_FLOAT32

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


def cam2img_after(steps: list, image_size: tuple[int, int]) -> np.ndarray:
    """`cam2img` (3, 3) of an image (width, height) after pipeline steps; loading comes first."""
    width, height = image_size
    results = dict(
        img=np.zeros((height, width, 3), np.uint8), img_info=dict(cam_intrinsic=INTRINSIC)
    )
    for step in [LoadCameraImage(), *steps, Pad(size_divisor=32), AddFCOS3DInputs()]:
        results = step(results)
    return np.array(results["cam2img"])


INTRINSIC = [[420.0, 0.0, 318.7], [0.0, 421.0, 241.2], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    "steps, expected",
    [
        ([], INTRINSIC),
        ([CropImage((50, 60, 600, 420))], [[420, 0, 268.7], [0, 421, 181.2], [0, 0, 1]]),
        ([ResizeImage(0.5)], [[210, 0, 159.35], [0, 210.5, 120.6], [0, 0, 1]]),
        ([FlipImage(1.0)], [[420, 0, 640 - 318.7], [0, 421, 241.2], [0, 0, 1]]),
        (
            # 635 x 465 pixels become 235 x 172.
            [CropImage((3, 5, 638, 470)), ResizeImage(0.37), FlipImage(1.0)],
            [
                [420 * 235 / 635, 0, 235 - 315.7 * 235 / 635],
                [0, 421 * 172 / 465, 236.2 * 172 / 465],
                [0, 0, 1],
            ],
        ),
    ],
    ids=["load", "crop", "resize", "flip", "all"],
)
def test_cam2img_is_the_camera_of_the_network_input(steps: list, expected: list):
    np.testing.assert_allclose(cam2img_after(steps, (640, 480)), expected, rtol=EXACT_FLOAT32)


def test_baseline_trains(root):
    torch.manual_seed(0)
    model = build_model(Config.fromfile(str(CONFIGS / "fcos3d_r18_synthetic.py")).model)
    model.init_weights()
    losses = model.train()(**batch(dataset("fcos3d_r18_synthetic.py", "train", root)[0]))
    total = sum(value if torch.is_tensor(value) else sum(value) for value in losses.values())
    total.backward()
    assert total.isfinite() and all(
        p.grad.isfinite().all() for p in model.parameters() if p.grad is not None
    )


def test_baseline_decodes_its_boxes_with_cam2img(root):
    """The network predicts a pixel and a depth from the image alone: through another camera the
    same pixels and depths come back as other places, which project to the same pixels.
    """
    torch.manual_seed(0)
    model = build_model(Config.fromfile(str(CONFIGS / "fcos3d_r18_synthetic.py")).model)
    model.init_weights()
    model.eval().bbox_head.test_cfg.update(
        score_thr=0.0, nms_thr=2.0, nms_pre=10, max_per_img=10000
    )
    inputs = batch(dataset("fcos3d_r18_synthetic.py", "val", root)[0])
    (meta,) = inputs["img_metas"]
    camera = meta["camera"]
    np.testing.assert_allclose(meta["cam2img"], camera.matrix, rtol=EXACT_FLOAT32)
    other = camera.crop(37.0, -20.0).scale(1.5, 0.8)
    with torch.no_grad():
        found = in_a_fixed_order(model(return_loss=False, **inputs)[0])
        changed = dict(meta, cam2img=other.matrix.tolist())
        moved = in_a_fixed_order(model(return_loss=False, **dict(inputs, img_metas=[changed]))[0])
    torch.testing.assert_close(moved.pose[:, 2], found.pose[:, 2])
    assert len(found) > 10 and (found.pose[:, 2] > camera.z_min).any()
    pixels = pinhole(meta["cam2img"], found.pose[:, :3])
    torch.testing.assert_close(
        pinhole(changed["cam2img"], moved.pose[:, :3]), pixels, rtol=1e-4, atol=1e-2
    )
    assert (moved.pose[:, :2] - found.pose[:, :2]).abs().amax() > 0.1  # m


def in_a_fixed_order(found: Boxes3D) -> Boxes3D:
    """Sorted by values that do not depend on the camera: class, score, depth."""
    keys = (found.pose[:, 2], found.score, found.label)
    return found[torch.from_numpy(np.lexsort([key.numpy() for key in keys]))]


def pinhole(matrix: list, points: torch.Tensor) -> torch.Tensor:
    """(n, 2) px of points (n, 3), without clipping."""
    rays = points.double() @ torch.tensor(matrix, dtype=torch.float64).T
    return rays[:, :2] / rays[:, 2:]


@pytest.mark.parametrize("name", ["epropnp_r18_synthetic.py", "fcos3d_r18_synthetic.py"])
def test_models_of_the_comparison_are_small(name):
    model = build_model(Config.fromfile(str(CONFIGS / name)).model)
    assert sum(p.numel() for p in model.parameters()) <= 2.4e6
