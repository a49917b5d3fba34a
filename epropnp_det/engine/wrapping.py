"""The model wrapped for one process or for many: both bring a batch to the model's device and out
of mmcv's containers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from mmcv.parallel import MODULE_WRAPPERS, MMDistributedDataParallel, scatter_kwargs
from torch import nn


def to_device(data: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """A collated batch without mmcv's containers, its tensors on a device."""
    number = (device.index or 0) if device.type == "cuda" else -1  # mmcv writes -1 for the CPU
    _, kwargs = scatter_kwargs((), data, [number])
    return kwargs[0]


@MODULE_WRAPPERS.register_module()
class OneDevice(nn.Module):
    """A model on one device, as mmcv's runners call it. `MMDataParallel` would take a CPU for a GPU
    where there is one.
    """

    def __init__(self, module: nn.Module, device: torch.device):
        super().__init__()
        self.module: Any = module.to(device)
        self.device = device

    def train_step(self, data: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        return self.module.train_step(to_device(data, self.device), optimizer)


def wrap_model(model: nn.Module, device: torch.device, find_unused_parameters: bool) -> nn.Module:
    """The model on `device`; gradients are averaged over the processes where there are several."""
    if not dist.is_initialized():
        return OneDevice(model, device)
    device_ids = [device.index] if device.type == "cuda" else None
    return MMDistributedDataParallel(
        model.to(device),
        device_ids=device_ids,
        broadcast_buffers=False,
        find_unused_parameters=find_unused_parameters,
    )
