"""The log of a training as a table: one line a record."""

from __future__ import annotations

import datetime
import logging
from collections import OrderedDict
from typing import Any

from mmcv.runner import HOOKS, BaseRunner, TextLoggerHook

HEADER_EVERY = 25  # lines
LEAST_WIDTH = 8
HOOK_LIST = "Hooks will be executed"  # how mmcv's message of the list of hooks begins
# Columns of their own before the losses: seconds of the stages of a step, and memory [MB].
_STAGES = ("data", "forward", "backward", "step")
_MEMORY = dict(resident_memory="MB", gpu_memory="GPU_MB")
_LEFT_OUT = {"mode", "epoch", "iter", "lr", "time", "memory", "loss"}
_LEFT_OUT |= {f"{stage}_time" for stage in _STAGES} | _MEMORY.keys()


@HOOKS.register_module()
class TableLoggerHook(TextLoggerHook):
    """mmcv's TextLoggerHook with a line of a table in place of `key: value` pairs. The JSON file is
    the same.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.header = ""
        self.lines = 0

    def _log_info(self, log_dict: OrderedDict, runner: BaseRunner) -> None:
        if log_dict["mode"] != "train":
            super()._log_info(log_dict, runner)
            return
        cells = self._cells(log_dict, runner)
        header = " ".join(f"{title:>{_width(title)}}" for title in cells)
        if header != self.header or self.lines % HEADER_EVERY == 0:
            runner.logger.info(header)
            self.header = header
            self.lines = 0
        self.lines += 1
        runner.logger.info(" ".join(f"{text:>{_width(title)}}" for title, text in cells.items()))

    def _cells(self, log_dict: OrderedDict, runner: BaseRunner) -> dict[str, str]:
        """Text of each column by its title."""
        rates = log_dict["lr"]
        rate = next(iter(rates.values()))[0] if isinstance(rates, dict) else rates
        cells = dict(epoch=str(log_dict["epoch"]), iter=str(log_dict["iter"]), lr=f"{rate:.1e}")
        if "time" in log_dict:
            self.time_sec_tot += log_dict["time"] * self.interval
            mean = self.time_sec_tot / (runner.iter - self.start_iter + 1)
            left = datetime.timedelta(seconds=int(mean * (runner.max_iters - runner.iter - 1)))
            cells |= {
                "s/iter": f"{log_dict['time']:.2f}",
                "left": str(left).replace(" days, ", "d"),
            }
        for stage in _STAGES:
            if f"{stage}_time" in log_dict:
                cells[stage] = f"{log_dict[f'{stage}_time']:.3f}"
        for name, title in _MEMORY.items():
            if name in log_dict:
                cells[title] = f"{log_dict[name]:.0f}"
        if "loss" in log_dict:
            cells["loss"] = _number(log_dict["loss"])
        others = {name: value for name, value in log_dict.items() if name not in _LEFT_OUT}
        return cells | {
            name.removeprefix("loss_"): _number(value) for name, value in others.items()
        }


def hide_hook_list(record: logging.LogRecord) -> bool:
    """A filter of a logger that leaves out the forty lines that list mmcv's hooks."""
    return not str(record.msg).startswith(HOOK_LIST)


def _width(title: str) -> int:
    return max(LEAST_WIDTH, len(title))


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
