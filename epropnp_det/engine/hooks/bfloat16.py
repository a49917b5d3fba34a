"""Convolutions in bfloat16 while training: two to three times as fast on CPUs with matrix units
(AMX), and on GPUs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmcv.runner import HOOKS, BaseRunner, Hook
from torch import Tensor, nn


@HOOKS.register_module()
class Bfloat16Hook(Hook):
    """Trains with the backbone and every `ConvModule` in bfloat16; their outputs, the losses, all
    weights and all tests stay float32.

    Args:
        channels_last: keep the backbone's features in channels-last order. A backbone of depthwise
            convolutions trains twice as fast on CPUs then, and a ResNet slower.
    """

    def __init__(self, channels_last: bool = False):
        self.channels_last = channels_last

    def before_run(self, runner: BaseRunner) -> None:
        run_convolutions_in_bfloat16(runner.model.module, self.channels_last)


def run_convolutions_in_bfloat16(model: nn.Module, channels_last: bool = False) -> None:
    """Lets the backbone and each `ConvModule` outside it compute in bfloat16 while they are in
    training mode; changes `model`.

    Args:
        model: a module with a child named `backbone`, or with children that have one.
        channels_last: as in `Bfloat16Hook`.
    """
    for module in _outermost(
        model, lambda name, module: name == "backbone" or isinstance(module, ConvModule)
    ):
        module.forward = functools.partial(_forward, module, module.forward)
    if channels_last:
        for backbone in _outermost(model, lambda name, module: name == "backbone"):
            _store_channels_last(backbone)


def _store_channels_last(backbone: nn.Module) -> None:
    """Changes the memory order of a backbone; its values stay.

    Depthwise convolutions with stride 2 or kernels of 5x5 stay float32: oneDNN's bfloat16 kernels
    take three times as long there.
    """
    for parameter in backbone.parameters():
        # A kernel of 1x1 has one order alone; other strides of it only disturb DDP.
        if parameter.ndim == 4 and parameter[0, 0].numel() > 1:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    backbone.register_forward_pre_hook(
        lambda module, args: (args[0].contiguous(memory_format=torch.channels_last),)
    )
    for module in backbone.modules():
        if _is_slow_in_bfloat16(module):
            module.forward = functools.partial(_forward_in_float32, module.forward)


def _is_slow_in_bfloat16(module: nn.Module) -> bool:
    if not isinstance(module, nn.Conv2d) or module.groups == 1:
        return False
    return max(module.stride) > 1 or max(module.kernel_size) > 3


def _forward_in_float32(forward: Callable, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())


def _outermost(model: nn.Module, wanted: Callable[[str, nn.Module], bool]) -> Iterator[nn.Module]:
    for name, child in model.named_children():
        if wanted(name, child):
            yield child
        else:
            yield from _outermost(child, wanted)


def _forward(module: nn.Module, forward: Callable, x: Tensor) -> Any:
    with torch.autocast(x.device.type, torch.bfloat16, enabled=module.training):
        out = forward(x)
    if isinstance(out, tuple):
        return tuple(level.float().contiguous() for level in out)
    return out.float()
