"""Optimizer steps that a broken batch cannot spoil."""

from __future__ import annotations

import math

from mmcv.runner import HOOKS, BaseRunner, OptimizerHook


@HOOKS.register_module()
class FiniteOptimizerHook(OptimizerHook):
    """Clips gradients, and leaves a step out whose gradient is not finite.

    One NaN written into the weights ends a training of days. Steps left out are counted, not
        hidden: the log has `skipped_steps`, the
    share of steps left out since the last record. All processes hold the same averaged gradient, so
    they skip together.

    Args:
        grad_clip: `max_norm` and `norm_type` of the clipping.
    """

    def __init__(self, grad_clip: dict):
        super().__init__(grad_clip=grad_clip)

    def after_train_iter(self, runner: BaseRunner) -> None:
        runner.optimizer.zero_grad()
        runner.outputs["loss"].backward()
        norm = self.clip_grads(runner.model.parameters())
        finite = norm is not None and math.isfinite(norm)
        runner.log_buffer.update(
            dict(skipped_steps=float(not finite), **(dict(grad_norm=float(norm)) if finite else {}))
        )
        if finite:
            runner.optimizer.step()
