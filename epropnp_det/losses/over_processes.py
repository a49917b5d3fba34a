"""Numbers that the processes of a training share, so that many train as one with all their images.

Gradients are averaged over the processes. A sum over the samples of all of them, divided by the
count of all, is therefore the average of each process's sum over the mean count.
"""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_processes(value: Tensor) -> Tensor:
    """The mean of a tensor over the processes, each of which has to call this; no gradient."""
    if processes() == 1:
        return value.detach()
    mean = value.detach() / processes()
    dist.all_reduce(mean)
    return mean


def shared_count(count: Tensor, least: float = 1.0) -> Tensor:
    """The mean over the processes of what each counts, (...).

    Args:
        count: (...) what sums of this process are divided by, if it is alone.
        least: at least this in all processes together.
    """
    return mean_over_processes(count).clamp(min=least / processes())
