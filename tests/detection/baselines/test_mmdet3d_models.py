"""mmdet3d's own FCOS3D and PGD train on our annotation files, ours on mmdet3d's.

Two steps by default. For more, on other data:
    EPROPNP_TRAINING_STEPS=50 EPROPNP_DATABASE=data/synthetic \
        python -m pytest -s tests/detection/baselines/test_mmdet3d_models.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import mmdet3d
import pytest
import torch
from mmcv import Config
from mmcv.runner import build_optimizer
from mmdet3d.datasets import build_dataloader, build_dataset
from mmdet3d.models import build_model
from torch import nn

from epropnp_det.engine.config import load_config
from epropnp_det.engine.seeding import seed_everything
from epropnp_det.engine.wrapping import to_device

STEPS = int(os.environ.get("EPROPNP_TRAINING_STEPS", 2))
ROOT = Path(__file__).parents[3]
THEIRS = Path(mmdet3d.__file__).parent / ".mim" / "configs"
FCOS3D = "fcos3d/fcos3d_r101_caffe_fpn_gn-head_dcn_2x8_1x_nus-mono3d.py"
PGD = "pgd/pgd_r101_caffe_fpn_gn-head_2x16_1x_nus-mono3d.py"
OURS = ROOT / "configs" / "detection" / "synthetic" / "epropnp_r18_synthetic.py"
SHARE = 8  # of the sides of an image: a step on full images takes seconds
IMAGES = 100
# A backbone that learns from random weights on a CPU within the time of a test.
BACKBONE = dict(
    _delete_=True,
    type="ResNet",
    depth=18,
    frozen_stages=-1,
    norm_cfg=dict(type="BN", requires_grad=True),
    norm_eval=False,
)


@pytest.fixture(scope="module")
def root(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our annotation file for images as a camera of an eighth of the resolution
    takes them. (`Resize` of mmdet3d changes neither centres nor camera.)
    """
    source = Path(os.environ.get("EPROPNP_DATABASE", database))
    out = tmp_path_factory.mktemp("small")
    data = json.loads((source / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())
    images = {image["id"]: at_a_share(image) for image in data["images"][:IMAGES]}
    for image in images.values():
        path = out / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = cv2.imread(str(source / image["file_name"]))
        small = cv2.resize(whole, None, fx=1 / SHARE, fy=1 / SHARE, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(path), small)
    boxes = [box_at_a_share(box) for box in data["annotations"] if box["image_id"] in images]
    (out / "train.json").write_text(
        json.dumps(dict(data, images=list(images.values()), annotations=boxes))
    )
    return out


def at_a_share(image: dict) -> dict:
    matrix = [[value / SHARE for value in row] for row in image["cam_intrinsic"][:2]]
    width = image["width"] // SHARE
    height = image["height"] // SHARE
    return dict(image, width=width, height=height, cam_intrinsic=[*matrix, [0.0, 0.0, 1.0]])


def box_at_a_share(box: dict) -> dict:
    u, v, depth = box["center2d"]
    return dict(
        box,
        bbox=[value / SHARE for value in box["bbox"]],
        area=box["area"] / SHARE**2,
        center2d=[u / SHARE, v / SHARE, depth],
    )


def config_of_mmdet3d(name: str, root: Path) -> Config:
    """A config of mmdet3d with a small backbone, on our file."""
    config = Config.fromfile(str(THEIRS / name))
    neck = dict(in_channels=[64, 128, 256, 512])
    config.merge_from_dict(dict(model=dict(backbone=dict(BACKBONE), neck=neck)))
    train = config.data.train
    train.pipeline[2].img_scale = (1600 // SHARE, 900 // SHARE)
    train.data_root = str(root)
    train.img_prefix = str(root)
    train.ann_file = str(root / "train.json")
    return config


def losses_while_training(config: Config, train: dict, steps: int) -> list[float]:
    """The sum of losses at each step, by the optimizer of the config."""
    seed_everything(0)
    model = build_model(config.model, config.get("train_cfg"), config.get("test_cfg"))
    model.init_weights()
    model.train()
    optimizer = build_optimizer(model, config.optimizer)
    dataset = build_dataset(train)
    loader = build_dataloader(dataset, 2, 0, dist=False, seed=0, persistent_workers=False)
    losses: list[float] = []
    while len(losses) < steps:
        for batch in loader:
            losses.append(step(model, optimizer, batch))
            if len(losses) == steps:
                break
    return losses


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: dict) -> float:
    outputs = model.train_step(to_device(batch, torch.device("cpu")), optimizer)
    optimizer.zero_grad()
    outputs["loss"].backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 35.0)
    assert torch.isfinite(norm) and norm > 0
    optimizer.step()
    assert all(outputs["log_vars"][name] > 0 for name in outputs["log_vars"] if "depth" in name)
    return outputs["loss"].item()


def check(losses: list[float]) -> None:
    print(" ".join(f"{loss:.3f}" for loss in losses))
    assert all(torch.tensor(losses).isfinite())
    if len(losses) >= 20:
        tenth = len(losses) // 10
        assert sum(losses[-tenth:]) < sum(losses[:tenth])


@pytest.mark.parametrize("name", [FCOS3D, PGD])
def test_models_of_mmdet3d_train_on_our_files(name: str, root: Path):
    config = config_of_mmdet3d(name, root)
    check(losses_while_training(config, config.data.train, STEPS))


def test_our_model_trains_on_a_file_of_mmdet3d():
    """The environment variable names a folder with a file of mmdet3d's converter and its images."""
    if "EPROPNP_MMDET3D_FILES" not in os.environ:
        pytest.skip("EPROPNP_MMDET3D_FILES does not name a folder with mmdet3d's annotation file")
    root = Path(os.environ["EPROPNP_MMDET3D_FILES"])
    config = load_config(OURS)
    train = dict(
        config.data.train,
        data_root=str(root),
        ann_file=str(next(root.glob("nuscenes_infos_*_mono3d.coco.json"))),
    )
    with pytest.warns(UserWarning, match="was not written by tools/create_data"):
        losses = losses_while_training(config, train, STEPS)
    check(losses)
