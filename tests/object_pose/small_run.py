"""A config and a checkpoint of the small network, for the commands."""

from __future__ import annotations

from pathlib import Path

import torch

from epropnp_det.engine.config import build_model, load_config
from epropnp_det.engine.training import init_weights

from .small import CELLS, PATCH, small_config

ROOT = Path(__file__).parents[2]
BASES = ("schedules/adamw_steps.py", "default_runtime.py")


def write_network(root: Path, objects: int = 2) -> None:
    """Writes `small.py` and `small.pth`, whose coordinates are any numbers; the data set is in the
    same folder.
    """
    model = small_config(type="ObjectPoseEstimator")
    model.head.objects = objects
    common = dict(root=str(root), patch=dict(size=PATCH))
    test = dict(type="BopTargets", **common)
    train = dict(type="RenderedCrops", cells=CELLS, **common)
    data = dict(samples_per_gpu=2, workers_per_gpu=0, train=train, val=test, test=test)
    bases = [str(ROOT / "configs/object_pose/_base_" / name) for name in BASES]
    lines = [f"_base_ = {bases!r}", f"patch = dict(size={PATCH})", f"data_root = {str(root)!r}"]
    lines += [f"model = {model.to_dict()!r}", f"data = {data!r}"]
    lines += ["runner = dict(max_iters=1)", ""]
    (root / "small.py").write_text("\n".join(lines))
    torch.manual_seed(0)
    network = build_model(load_config(root / "small.py"))
    init_weights(network)
    torch.nn.init.normal_(network.head.output.weight, std=0.3)
    meta = dict(CLASSES=tuple(f"obj_{key + 1:06d}" for key in range(objects)))
    torch.save(dict(state_dict=network.state_dict(), meta=meta), root / "small.pth")
