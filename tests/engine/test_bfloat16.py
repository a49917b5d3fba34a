"""Training in bfloat16 is training in float32 but for rounding; evaluation stays in float32."""

from __future__ import annotations

import copy

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import nn

from epropnp_det.engine.hooks.bfloat16 import run_convolutions_in_bfloat16
from tests import tolerances as tol


class Net(nn.Module):
    """A backbone with two levels, a neck shared by both, a plain convolution that stays as it
    is.
    """

    def __init__(self):
        super().__init__()
        self.backbone = Levels()
        self.neck = ConvModule(16, 16, 3, padding=1, norm_cfg=dict(type="GN", num_groups=4))
        self.predict = nn.Conv2d(16, 2, 1)

    def forward(self, x):
        return sum(self.predict(self.neck(level)).mean() for level in self.backbone(x))


class Levels(nn.Module):
    """A plain convolution and a depthwise one of stride 2."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 16, 3, stride=2, padding=1, groups=16)

    def forward(self, x):
        fine = self.first(x)
        return fine, self.second(fine)


@pytest.fixture(params=[False, True], ids=["channels_first", "channels_last"])
def nets(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    plain = Net()
    reduced = copy.deepcopy(plain)
    run_convolutions_in_bfloat16(reduced, request.param)
    return plain, reduced


IMAGE = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1))


def test_gradients_are_those_of_float32_but_for_rounding(nets):
    for net in nets:
        net.train()(IMAGE).backward()
    for wanted, got in zip(*(net.parameters() for net in nets)):
        assert got.grad.dtype == torch.float32
        assert (got.grad - wanted.grad).norm() <= tol.BFLOAT16 * wanted.grad.norm() + tol.BFLOAT16


def test_convolutions_compute_in_bfloat16_and_return_float32(nets):
    seen = []
    reduced = nets[1].train()
    reduced.neck.conv.register_forward_hook(
        lambda module, inputs, output: seen.append(output.dtype)
    )
    levels = reduced.backbone(IMAGE)
    reduced.neck(levels[0])
    assert seen == [torch.bfloat16] and all(level.dtype == torch.float32 for level in levels)


def test_evaluation_is_bit_for_bit_float32(nets):
    plain, reduced = (net.eval() for net in nets)
    assert torch.equal(plain(IMAGE), reduced(IMAGE))


def test_slow_depthwise_convolutions_stay_float32_in_channels_last_order(nets):
    reduced = nets[1].train()
    seen = {}
    for name in ("first", "second"):
        reduced.backbone.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.update(
                {name: (output.dtype, output.is_contiguous(memory_format=torch.channels_last))}
            )
        )
    levels = reduced.backbone(IMAGE)
    assert all(level.is_contiguous() for level in levels)
    channels_last = seen["first"][1]
    assert seen["first"][0] == torch.bfloat16
    assert seen["second"][0] == (torch.float32 if channels_last else torch.bfloat16)
