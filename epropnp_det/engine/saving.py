"""Checkpoints of a training, with all that resuming it needs."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import time
from pathlib import Path
from typing import Any

import mmcv
from mmcv.parallel import is_module_wrapper
from mmcv.runner import BaseRunner, IterBasedRunner
from mmcv.runner.checkpoint import get_state_dict, weights_to_cpu

from .checkpoint import write_checkpoint


def save_training(runner: BaseRunner, path: Path, with_optimizer: bool = True) -> None:
    """Writes a checkpoint after a step, in the form of mmcv's. A reader finds it whole or not at
    all, whenever the process ends or the power fails.

    Args:
        runner: its `meta` has the `progress` of `ProgressHook`.
        with_optimizer: without it, the checkpoint cannot be resumed.

    Raises:
        UserError: the file cannot be written; an older file of that name is as it was.
    """
    progress = runner.meta["progress"]
    model = runner.model.module if is_module_wrapper(runner.model) else runner.model
    # mmcv saves the last step of a run of counted steps, not the next.
    step = progress["iteration"] - isinstance(runner, IterBasedRunner)
    meta = dict(
        runner.meta,
        epoch=progress["epoch"],
        iter=step,
        mmcv_version=mmcv.__version__,
        time=time.asctime(),
    )
    if getattr(model, "CLASSES", None) is not None:
        meta["CLASSES"] = model.CLASSES
    checkpoint: dict[str, Any] = dict(meta=meta, state_dict=weights_to_cpu(get_state_dict(model)))
    if with_optimizer:
        checkpoint["optimizer"] = runner.optimizer.state_dict()
    write_checkpoint(checkpoint, path)
