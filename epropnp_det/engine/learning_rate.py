"""The learning rate for another total batch than that of the config."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any

from mmcv import Config

from epropnp_det.errors import UserError

# By what the learning rate grows with the total batch: for SGD its ratio, for Adam often the root.
RULES: Mapping[str, Callable[[float], float]] = {"linear": lambda ratio: ratio, "sqrt": math.sqrt}


def scaled_optimizer(
    config: Config, processes: int, scale: bool, logger: logging.Logger
) -> dict[str, Any]:
    """A copy of `config.optimizer`, whose learning rate fits the total batch: that of all processes
    and of all steps that add up their gradients.

    `auto_scale_lr` of the config has `base_batch_size`, for which its learning rate is meant,
    `enable` and `rule`, "linear" or "sqrt". Where the batch is another one, the log has a line.

    Args:
        scale: scale even without `enable` (--auto-scale-lr).

    Raises:
        UserError: there is no base batch size to scale from, no rule of that name, or no learning
            rate.
    """
    optimizer: dict[str, Any] = copy.deepcopy(config.optimizer)
    settings = config.get("auto_scale_lr") or {}
    scale = scale or settings.get("enable", False)
    base = settings.get("base_batch_size")
    if base is None:
        if scale:
            raise UserError(
                f"config {config.filename} has no auto_scale_lr.base_batch_size, the total batch "
                "for which its learning rate is meant"
            )
        return optimizer
    rule = settings.get("rule", "linear")
    _check_rule(config, rule, base)
    steps = (config.optimizer_config or {}).get("cumulative_iters", 1)
    images = config.data.samples_per_gpu
    total = processes * images * steps
    if total == base:
        return optimizer
    batch = f"total batch {total} ({processes} processes x {images} images x {steps} steps)"
    if not scale:
        logger.warning(
            "%s, and the learning rate is meant for %d: --auto-scale-lr scales it", batch, base
        )
        return optimizer
    before = optimizer["lr"]
    optimizer["lr"] = before * RULES[rule](total / base)
    logger.info(
        "%s instead of %d: learning rate %g instead of %g (%s rule)",
        *(batch, base, optimizer["lr"], before, rule),
    )
    return optimizer


def _check_rule(config: Config, rule: Any, base: Any) -> None:
    """Raises a UserError unless the learning rate can be scaled."""
    if rule in RULES and isinstance(base, int) and base >= 1 and "lr" in config.optimizer:
        return
    raise UserError(
        f"config {config.filename}: auto_scale_lr needs optimizer.lr, base_batch_size from 1, "
        f"and as rule one of {', '.join(RULES)}"
    )
