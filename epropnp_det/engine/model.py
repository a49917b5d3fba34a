"""From a config and a checkpoint to a model."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, which it mends

# isort: split
from pathlib import Path

import torch
from mmcv import Config
from torch import nn

from .checkpoint import load_weights
from .config import build_model, load_config


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """A detector ready for `detect`; without a checkpoint its weights are random.

    Raises:
        UserError: the config or the checkpoint is missing, wrong, or of another architecture.
    """
    config = config if isinstance(config, Config) else load_config(config)
    model = build_model(config)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    model.cfg = config
    return model.to(device).eval()
