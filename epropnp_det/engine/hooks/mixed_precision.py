"""Convolutions in half precision while training, for CPUs with matrix units (AMX) and for GPUs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmcv.ops import DeformConv2d, ModulatedDeformConv2d
from mmcv.runner import HOOKS, BaseRunner, Hook
from torch import Tensor, nn

from epropnp_det.errors import UserError

from .finite_optimizer import FiniteOptimizerHook

DTYPES = dict(bfloat16=torch.bfloat16, float16=torch.float16)


# Configs of earlier versions have the second name.
@HOOKS.register_module(name=["MixedPrecisionHook", "Bfloat16Hook"])
class MixedPrecisionHook(Hook):
    """Trains with the backbone, every `ConvModule` and the convolutions of the neck in half
    precision; their outputs, the pose layer, the losses, all weights and all tests stay float32.

    Args:
        dtype: 'bfloat16'; or 'float16', whose gradients vanish unless the loss is scaled: that
            needs `FiniteOptimizerHook`, which skips the steps of a scale that is too large.
        channels_last: keep the backbone's features in channels-last order. A backbone of depthwise
            convolutions trains twice as fast on CPUs then, and a ResNet slower.
        loss_scale: the first scale for float16; it then follows the gradients. A resumed training
            has the scale of its checkpoint.

    Raises:
        ValueError: another dtype.
    """

    def __init__(
        self, dtype: str = "bfloat16", channels_last: bool = False, loss_scale: float = 2.0**16
    ):
        if dtype not in DTYPES:
            raise ValueError(f"unknown dtype {dtype!r}; use one of {', '.join(DTYPES)}")
        self.dtype = DTYPES[dtype]
        self.channels_last = channels_last
        self.loss_scale = loss_scale

    def before_run(self, runner: BaseRunner) -> None:
        """Changes the model, and scales the loss for float16.

        Raises:
            UserError: float16 with another optimizer hook.
        """
        run_convolutions_in(self.dtype, runner.model.module, self.channels_last)
        if self.dtype != torch.float16:
            return
        optimizer_hooks = [hook for hook in runner.hooks if isinstance(hook, FiniteOptimizerHook)]
        if not optimizer_hooks:
            raise UserError("MixedPrecisionHook: float16 needs FiniteOptimizerHook")
        optimizer_hooks[0].scale_loss(runner, self.loss_scale)


def run_convolutions_in(dtype: torch.dtype, model: nn.Module, channels_last: bool = False) -> None:
    """Lets the backbone, each `ConvModule` outside it and each other convolution of the neck
    compute in `dtype` while they are in training mode; changes `model`.

    Args:
        dtype: bfloat16 or float16.
        model: a module with children named `backbone` and `neck`, or with children that have them.
        channels_last: as in `MixedPrecisionHook`.
    """
    for module in _reduced_parts(model):
        for part in module.modules():
            if _stays_float32(part, dtype, channels_last):
                part.forward = functools.partial(_forward_in_float32, part.forward)
        module.forward = functools.partial(_forward, module, module.forward, dtype)
    for name, module in model.named_modules():
        if channels_last and name.rpartition(".")[2] == "backbone":
            _store_channels_last(module)


def _reduced_parts(model: nn.Module, in_neck: bool = False) -> Iterator[nn.Module]:
    for name, child in model.named_children():
        inside = in_neck or name == "neck"
        is_convolution = inside and isinstance(child, (nn.Conv2d, nn.ConvTranspose2d))
        if name == "backbone" or is_convolution or isinstance(child, ConvModule):
            yield child
        else:
            yield from _reduced_parts(child, inside)


def _stays_float32(module: nn.Module, dtype: torch.dtype, channels_last: bool) -> bool:
    """Whether a convolution has no kernel in bfloat16, or a slow one.

    mmcv's deformable convolutions have none. In channels-last order, oneDNN's kernels of depthwise
    convolutions with stride 2 or of 5x5 take three times as long as those of float32.
    """
    if dtype != torch.bfloat16:
        return False
    if isinstance(module, (DeformConv2d, ModulatedDeformConv2d)):
        return True
    if not channels_last or not isinstance(module, nn.Conv2d) or module.groups == 1:
        return False
    return max(module.stride) > 1 or max(module.kernel_size) > 3


def _store_channels_last(backbone: nn.Module) -> None:
    """Changes the memory order of a backbone; its values stay."""
    for parameter in backbone.parameters():
        # A kernel of 1x1 has one order alone; other strides of it only disturb DDP.
        if parameter.ndim == 4 and parameter[0, 0].numel() > 1:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    backbone.register_forward_pre_hook(
        lambda module, args: (args[0].contiguous(memory_format=torch.channels_last),)
    )


def _forward_in_float32(forward: Callable, x: Tensor) -> Tensor:
    with torch.autocast(x.device.type, enabled=False):
        return forward(x.float())


def _forward(module: nn.Module, forward: Callable, dtype: torch.dtype, x: Tensor) -> Any:
    with torch.autocast(x.device.type, dtype, enabled=module.training):
        out = forward(x)
    if isinstance(out, (tuple, list)):
        return type(out)(level.float().contiguous() for level in out)
    return out.float()
