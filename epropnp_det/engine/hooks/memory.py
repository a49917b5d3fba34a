"""Memory of a training, in every record of the log."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from mmcv.runner import HOOKS, BaseRunner, Hook

_MEGABYTE = 2**20
_STATM = Path("/proc/self/statm")  # in pages; the second number is resident


@HOOKS.register_module()
class MemoryHook(Hook):
    """Logs the resident memory of the process and, where there is a GPU, the most that torch has
    had there [MB], of the first process. Loader processes have memory of their own.
    """

    def after_train_iter(self, runner: BaseRunner) -> None:
        pages = int(_STATM.read_text().split()[1])
        memory = dict(resident_memory=pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE)
        if torch.cuda.is_available():
            memory["gpu_memory"] = torch.cuda.max_memory_allocated() / _MEGABYTE
        runner.log_buffer.update(memory)
