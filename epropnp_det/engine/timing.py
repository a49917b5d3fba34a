"""Times of calls, for benchmarks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

Clock = Callable[[], float]


def milliseconds(
    call: Callable[[], Any], repeats: int, device: torch.device, clock: Clock | None = None
) -> dict[str, float]:
    """`median`, `least` and `greatest` time [ms] of a call that has been made once before.

    Args:
        clock: None for the processor's time, which other programs change least, and on a GPU the
            wall clock.
    """
    if clock is None:
        clock = time.perf_counter if device.type == "cuda" else time.process_time
    call()
    spent = [1e3 * _seconds(call, device, clock) for _ in range(repeats)]
    return dict(median=statistics.median(spent), least=min(spent), greatest=max(spent))


def _seconds(call: Callable[[], Any], device: torch.device, clock: Clock) -> float:
    begin = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begin
