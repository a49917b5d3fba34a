"""Skips optimizer steps whose gradient is not finite, and adds up gradients over several steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mmcv.parallel import DataContainer
from mmcv.runner import HOOKS, BaseRunner, EpochBasedRunner, OptimizerHook

from epropnp_det.errors import UserError

_SHOWN = 6  # images named in a message


@HOOKS.register_module()
class FiniteOptimizerHook(OptimizerHook):
    """Clips gradients, and skips steps whose gradient is not finite.

    A single NaN in the weights would end the training. The log counts skipped steps:
    `skipped_steps` is their share since the last record. All processes hold the same averaged
    gradient, so they skip the same steps.

    Args:
        grad_clip: `max_norm` and `norm_type` of the clipping.
        cumulative_iters: steps whose mean gradient makes one step of the optimizer, as in a batch
            that is so many times as large. The last group of an epoch, or of a run of counted
            steps, may be smaller.
        max_skipped: skipped steps in a row that end the training.

    Raises:
        ValueError: a number below 1.
    """

    def __init__(self, grad_clip: dict, cumulative_iters: int = 1, max_skipped: int = 100):
        super().__init__(grad_clip=grad_clip)
        if min(cumulative_iters, max_skipped) < 1:
            raise ValueError("cumulative_iters and max_skipped are whole numbers from 1")
        self.cumulative_iters = cumulative_iters
        self.max_skipped = max_skipped
        self.added = 0  # steps in the gradient
        self.skipped = 0  # in a row

    def after_train_iter(self, runner: BaseRunner) -> None:
        """Adds the gradient of a step; at the end of a group the optimizer steps.

        Raises:
            UserError: too many gradients in a row are not finite; the message names images.
        """
        if self.added == 0:
            runner.optimizer.zero_grad()
        runner.outputs["loss"].backward()
        self.added += 1
        if self.added < self.cumulative_iters and not _is_last_of_group(runner):
            return
        if self.added > 1:
            for parameter in runner.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(self.added)
        self.added = 0
        norm = self.clip_grads(runner.model.parameters())
        finite = norm is not None and math.isfinite(norm)
        runner.log_buffer.update(
            dict(skipped_steps=float(not finite), **(dict(grad_norm=float(norm)) if finite else {}))
        )
        if finite:
            self.skipped = 0
            runner.optimizer.step()
            return
        self.skipped += 1
        if self.skipped >= self.max_skipped:
            raise UserError(
                f"the gradients of {self.skipped} steps in a row are not finite, the last one with "
                f"{_images(runner.data_batch)}; lower the learning rate, or check these images and "
                "their boxes"
            )


def _is_last_of_group(runner: BaseRunner) -> bool:
    """Whether an epoch ends with this step, or a run of counted steps."""
    if isinstance(runner, EpochBasedRunner):
        return runner.meta["progress"]["position"] == 0
    return runner.iter + 1 == runner.max_iters


def _images(batch: Any) -> str:
    """The files of a batch, in words."""
    names = list(_file_names(batch))
    if not names:
        return "images without file names"
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _file_names(value: Any) -> Iterator[str]:
    if isinstance(value, DataContainer):
        yield from _file_names(value.data)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _file_names(item)
    elif isinstance(value, dict):
        if isinstance(value.get("filename"), str):
            yield value["filename"]
        else:
            yield from _file_names(list(value.values()))
