"""Wraps a model for one process or for many. Both wrappers move a batch to the model's device and
unpack mmcv's containers.
"""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import logging
from typing import Any

import torch
import torch.distributed as dist
from mmcv.parallel import MODULE_WRAPPERS, MMDistributedDataParallel, scatter_kwargs
from torch import nn


def to_device(data: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Unpacks a collated batch from mmcv's containers and moves its tensors to a device."""
    number = (device.index or 0) if device.type == "cuda" else -1  # mmcv writes -1 for the CPU
    _, kwargs = scatter_kwargs((), data, [number])
    return kwargs[0]


@MODULE_WRAPPERS.register_module()
class OneDevice(nn.Module):
    """A model on one device, in the form that mmcv's runners call.

    `MMDataParallel` uses a GPU where there is one, even for a model on the CPU.
    """

    def __init__(self, module: nn.Module, device: torch.device):
        super().__init__()
        self.module: Any = module.to(device)
        self.device = device

    def train_step(
        self, data: dict[str, Any], optimizer: torch.optim.Optimizer, **kwargs: Any
    ) -> dict[str, Any]:
        return self.module.train_step(to_device(data, self.device), optimizer, **kwargs)


def with_shared_statistics(
    model: nn.Module, device: torch.device, logger: logging.Logger
) -> nn.Module:
    """The model with batch normalisation over the images of all processes; names of weights stay.

    torch has such layers for GPUs alone. On a CPU the model stays as it is, with a line.
    """
    if not dist.is_initialized():
        return model
    if device.type != "cuda":
        logger.warning("sync_bn needs GPUs: each process normalises by its own images")
        return model
    return nn.SyncBatchNorm.convert_sync_batchnorm(model)


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
