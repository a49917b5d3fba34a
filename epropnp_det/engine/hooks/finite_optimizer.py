"""Skips optimizer steps whose gradient is not finite."""

from __future__ import annotations

import math

from mmcv.runner import HOOKS, BaseRunner, OptimizerHook


@HOOKS.register_module()
class FiniteOptimizerHook(OptimizerHook):
    """Clips gradients, and skips steps whose gradient is not finite.

    A single NaN in the weights would end the training. The log counts skipped steps:
    `skipped_steps` is their share since the last record. All processes hold the same averaged
    gradient, so they skip the same steps.

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
