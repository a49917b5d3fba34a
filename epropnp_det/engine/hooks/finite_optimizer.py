"""Skips optimizer steps whose gradient is not finite, and adds up gradients over several steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

from mmcv.parallel import DataContainer
from mmcv.runner import HOOKS, BaseRunner, EpochBasedRunner, OptimizerHook
from torch.amp import GradScaler

from epropnp_det.errors import UserError

# Hooks of mmcv that step whatever the gradient is, and those for which there is another way.
REPLACED_HOOKS = ("OptimizerHook", "GradientCumulativeOptimizerHook")
HALF_PRECISION_HOOKS = ("Fp16OptimizerHook", "GradientCumulativeFp16OptimizerHook")
_SHOWN = 6  # images named in a message


@HOOKS.register_module()
class FiniteOptimizerHook(OptimizerHook):
    """Clips gradients, and skips steps whose gradient is not finite.

    A single NaN in the weights would end the training. The log counts skipped steps:
    `skipped_steps` is their share since the last record. All processes hold the same averaged
    gradient, so they skip the same steps. `MixedPrecisionHook` can scale the loss: a scale that is
    too large makes such a gradient, and the next scale is half of it.

    The log also has the seconds of the stages of a step: `forward_time` with the losses,
    `backward_time` with the clipping, and `step_time` of the optimizer. A GPU works on while the
    program goes ahead; where a stage ends, the program reads a number and waits for it, except
    after the step of the optimizer.

    Args:
        grad_clip: `max_norm` and `norm_type` of the clipping; None clips nothing.
        cumulative_iters: steps whose mean gradient makes one step of the optimizer, as in a batch
            that is so many times as large. The last group of an epoch, or of a run of counted
            steps, may be smaller.
        max_skipped: skipped steps in a row that end the training.
        detect_anomalous_params: as of mmcv's hook.

    Raises:
        ValueError: a number below 1.
    """

    def __init__(
        self,
        grad_clip: dict | None = None,
        cumulative_iters: int = 1,
        max_skipped: int = 100,
        detect_anomalous_params: bool = False,
    ):
        # An infinite limit measures the gradient and leaves it as it is.
        super().__init__(grad_clip or dict(max_norm=math.inf), detect_anomalous_params)
        if min(cumulative_iters, max_skipped) < 1:
            raise ValueError("cumulative_iters and max_skipped are whole numbers from 1")
        self.cumulative_iters = cumulative_iters
        self.max_skipped = max_skipped
        self.added = 0  # steps in the gradient
        self.skipped = 0  # in a row
        self.scaler = GradScaler(enabled=False)
        self.began = time.perf_counter()  # the present stage

    def scale_loss(self, runner: BaseRunner, scale: float) -> None:
        """Scales the loss from now on, beginning with `scale`, or where the checkpoint that is
        resumed ended.
        """
        self.scaler = GradScaler(next(runner.model.parameters()).device.type, init_scale=scale)
        if "fp16" in runner.meta:
            self.scaler.load_state_dict(runner.meta["fp16"]["loss_scaler"])

    def before_train_iter(self, runner: BaseRunner) -> None:
        self.began = time.perf_counter()

    def after_train_iter(self, runner: BaseRunner) -> None:
        """Adds the gradient of a step; at the end of a group the optimizer steps.

        Raises:
            UserError: too many gradients in a row are not finite; the message names images.
        """
        self._end_stage("forward", runner)
        if self.added == 0:
            runner.optimizer.zero_grad()
        loss = runner.outputs["loss"]
        if self.detect_anomalous_params:
            self.detect_anomalous_parameters(loss, runner)
        self.scaler.scale(loss).backward()
        self.added += 1
        if self.added == self.cumulative_iters or _is_last_of_group(runner):
            self._step(runner)
        else:
            self._end_stage("backward", runner)

    def _step(self, runner: BaseRunner) -> None:
        if self.added > 1:
            for parameter in runner.model.parameters():
                if parameter.grad is not None:
                    parameter.grad.div_(self.added)
        self.added = 0
        self.scaler.unscale_(runner.optimizer)
        norm = self.clip_grads(runner.model.parameters())
        finite = norm is not None and math.isfinite(norm)
        self._end_stage("backward", runner)
        runner.log_buffer.update(
            dict(skipped_steps=float(not finite), **(dict(grad_norm=float(norm)) if finite else {}))
        )
        if finite:
            self.scaler.step(runner.optimizer)
        if norm is not None and self.scaler.is_enabled():
            self.scaler.update()
            runner.log_buffer.update(dict(grad_scale=self.scaler.get_scale()))
            runner.meta["fp16"] = dict(loss_scaler=self.scaler.state_dict())
        self._end_stage("step", runner)
        self._count(finite, runner)

    def _end_stage(self, name: str, runner: BaseRunner) -> None:
        now = time.perf_counter()
        runner.log_buffer.update({f"{name}_time": now - self.began})
        self.began = now

    def _count(self, finite: bool, runner: BaseRunner) -> None:
        self.skipped = 0 if finite else self.skipped + 1
        if self.skipped >= self.max_skipped:
            raise UserError(
                f"the gradients of {self.skipped} steps in a row are not finite, the last one with "
                f"{_images(runner.data_batch)}; lower the learning rate, or check these images and "
                "their boxes"
            )


def finite_hook_type(name: str) -> str:
    """The type of the optimizer hook to use in place of one of mmcv's.

    Raises:
        UserError: one of mmcv's for half precision.
    """
    if name in HALF_PRECISION_HOOKS:
        raise UserError(
            f"{name} has no effect on these models; use FiniteOptimizerHook, and "
            "dict(type='MixedPrecisionHook', dtype='float16') in custom_hooks"
        )
    return FiniteOptimizerHook.__name__ if name in REPLACED_HOOKS else name


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
