"""The log of a training for TensorBoard."""

from __future__ import annotations

from typing import Any

from mmcv.runner import HOOKS, BaseRunner, TensorboardLoggerHook


@HOOKS.register_module()
class TensorBoardHook(TensorboardLoggerHook):
    """mmcv's `TensorboardLoggerHook`, which also writes the time of a step and of its data."""

    def get_loggable_tags(self, runner: BaseRunner, **settings: Any) -> dict[str, Any]:
        return super().get_loggable_tags(runner, **dict(settings, tags_to_skip=()))
