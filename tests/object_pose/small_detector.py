"""A config and a checkpoint of a small Mask R-CNN, for the commands."""

from __future__ import annotations

from pathlib import Path

import torch

from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.training import init_weights

ROOT = Path(__file__).parents[2]
BASES = (
    "models/mask_rcnn_lite0.py",
    "datasets/synthetic_coco.py",
    "datasets/coco_320.py",
    "schedules/adamw_steps.py",
    "default_runtime.py",
)


def write_detector(root: Path, objects: int = 2) -> None:
    """Writes `detector.py` and `detector.pth`, whose detections are any; the data set with its COCO
    annotations is in the same folder.
    """
    bases = [str(ROOT / "configs/object_pose/_base_" / name) for name in BASES]
    lines = f"""_base_ = {bases!r}
model = dict(
    backbone=dict(_delete_=True, type="ResNet", depth=18, base_channels=8, norm_eval=True),
    neck=dict(in_channels=[8, 16, 32, 64]),
    roi_head=dict(
        bbox_head=dict(num_classes={objects}), mask_head=dict(num_classes={objects})
    ),
)
files = dict(ann_file={str(root / "coco_test.json")!r}, img_prefix={str(root)!r})
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=0,
    train=dict(pipeline={{{{_base_.train_pipeline}}}}, **files),
    val=dict(pipeline={{{{_base_.test_pipeline}}}}, **files),
    test=dict(pipeline={{{{_base_.test_pipeline}}}}, **files),
)
runner = dict(max_iters=2)
find_unused_parameters = True
"""
    (root / "detector.py").write_text(lines)
    torch.manual_seed(0)
    model = build_model(load_config(root / "detector.py"))
    init_weights(model)
    meta = dict(CLASSES=tuple(f"obj_{key + 1:06d}" for key in range(objects)))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), root / "detector.pth")
