"""State dicts with the names and shapes of the released models."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import torch
from mmcv import Config
from torch import Tensor

from epropnp_det.engine.config import build_model

CONFIGS = Path(__file__).parents[3] / "configs" / "detection" / "released"
# Recorded names and shapes -> architecture, config.
RELEASED = {
    "epropnp_det_basic": ("v1", "epropnp_det_coord_regr.py"),
    "epropnp_det_coord_regr": ("v1", "epropnp_det_coord_regr.py"),
    "epropnp_det_v1b_220312": ("v1b_220312", "epropnp_det_v1b_220312.py"),
    "epropnp_det_v1b_220411": ("v1b_220411", "epropnp_det_v1b_220411.py"),
    "epropnp_det_v2": ("v2", "epropnp_det_v2.py"),
}


def head_shapes(folder: Path, model: str) -> dict[str, tuple[int, ...]]:
    """Recorded shapes of the head's parameters, by their whole names."""
    lines = (folder / "checkpoint_keys" / f"{model}.txt").read_text().splitlines()
    pairs = (line.split(" ", 1) for line in lines if line)
    return {name: ast.literal_eval(shape) for name, shape in pairs}


@functools.cache
def released_state(folder: Path, model: str) -> dict[str, Tensor]:
    """A whole state: the recorded head, and backbone and neck, which mmdet names as it did then.

    Every weight is another number, and one number fills a weight: the files are small.
    """
    with torch.device("meta"):
        ours = build_model(Config.fromfile(str(CONFIGS / RELEASED[model][1]))).state_dict()
    shapes = {
        key: tuple(value.shape) for key, value in ours.items() if not key.startswith("bbox_head.")
    } | head_shapes(folder, model)
    return {
        key: torch.tensor(float(index)).expand(shape)
        for index, (key, shape) in enumerate(shapes.items())
    }
