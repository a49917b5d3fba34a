"""From a config and a checkpoint to a model."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
from pathlib import Path

import torch
from mmcv import Config
from torch import nn

from epropnp_det.errors import UserError

from .checkpoint import HasCalibration, HasTrainingWeights, load_weights
from .config import build_model, load_config


def init_model(
    config: str | Path | Config,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = "cpu",
) -> nn.Module:
    """A model in evaluation mode, ready for `detect`; without a checkpoint its weights are random.
    Weights of losses and of other parts that serve training alone do not have to fit. The model has
    the calibration of the checkpoint. The device None is the first GPU, or the CPU where there is
    none.

    Raises:
        UserError: the config or the checkpoint is missing, wrong, or of another architecture; torch
            does not find the device.
    """
    device = find_device(device)
    config = config if isinstance(config, Config) else load_config(config)
    model = build_model(config)
    if checkpoint is not None:
        besides = model.TRAINING_KEYS if isinstance(model, HasTrainingWeights) else ()
        loaded = load_weights(model, checkpoint, besides)
        if isinstance(model, HasCalibration):
            model.read_calibration(loaded)
    model.cfg = config
    return model.to(device).eval()


def find_device(device: str | torch.device | None) -> torch.device:
    """The device of a name; None is the first GPU, or the CPU where there is none.

    Raises:
        UserError: no name of a device, or a GPU that torch does not find.
    """
    count = torch.cuda.device_count()
    if device is None:
        return torch.device("cuda" if count else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise UserError(f"device {device!r} is not cpu, cuda or cuda:N") from None
    if found.type == "cuda" and count == 0:
        raise UserError(f"device {device}: torch finds no GPU; `make doctor` says more")
    if found.type == "cuda" and (found.index or 0) >= count:
        raise UserError(f"device {device}: torch finds {count} GPU(s), numbered from 0")
    return found
