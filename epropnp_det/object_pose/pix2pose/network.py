"""The network: an encoder, a decoder with skips and the head of maps (Park et al., *Pix2Pose*, ICCV
2019, Figure 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmcv.runner import BaseModule
from mmdet.models.builder import BACKBONES, HEADS, NECKS
from torch import Tensor, nn

from ..network import V1_STD
from ..structures import PixelMaps

# Slope of all activations below zero, and batch norm as in the original: eps 1e-3, momentum 0.99.
SLOPE = 0.3
NORM_EPS = 1e-3
NORM_MOMENTUM = 0.01
COORDINATES = 3
# Three normalised coordinates, the expected error, the mask.
CHANNELS = 5


@BACKBONES.register_module()
class Pix2PoseEncoder(BaseModule):
    """The encoder of the original: four convolutions 5x5 of stride 2, and two linear layers over
    the whole patch.

    The original has two parallel convolutions of half the width at each level, which is the same
    function.

    Args:
        size: side of the patches [px].
        widths: channels of the four convolutions.
        code: width between the linear layers.
        bottleneck: channels that they give back.
    """

    def __init__(
        self,
        size: int = 128,
        widths: Sequence[int] = (128, 256, 256, 512),
        code: int = 256,
        bottleneck: int = 256,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        entering = (3, *widths[:-1])
        self.levels = nn.ModuleList(
            _block(nn.Conv2d(low, high, 5, 2, 2), high) for low, high in zip(entering, widths)
        )
        self.cells = size // 2 ** len(widths)
        area = self.cells**2
        self.code = nn.Sequential(
            nn.Linear(widths[-1] * area, code), nn.Linear(code, bottleneck * area)
        )

    def forward(self, img: Tensor) -> list[Tensor]:
        """Patches (B, 3, size, size) -> levels of strides 2, 4, 8, and the bottleneck of stride 16,
        (B, C_i, h_i, w_i).
        """
        levels = []
        for block in self.levels:
            img = block(img)
            levels.append(img)
        code = self.code(img.flatten(1))
        return [*levels[:-1], code.unflatten(1, (-1, self.cells, self.cells))]


@NECKS.register_module()
class UNetDecoder(BaseModule):
    """From the coarsest level of a backbone to its finest: each stage doubles the size, takes in
    the level of that size and mixes both.

    Args:
        in_channels: channels of the levels, finest first; each has half the size of the one before.
        up_channels: channels of each stage's transposed convolution, finest first.
        out_channels: channels that each stage gives on, finest first.
        skip_channels: how many channels of each level enter, finest first, the first ones; None for
            all.
        kernel: side of all kernels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        up_channels: Sequence[int],
        out_channels: Sequence[int],
        skip_channels: Sequence[int] | None = None,
        kernel: int = 3,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.skips = tuple(skip_channels or in_channels[:-1])
        entering = (*out_channels[1:], in_channels[-1])
        self.ups = nn.ModuleList(
            _block(_doubling(low, high, kernel), high)
            for low, high in zip(entering, up_channels, strict=True)
        )
        self.mixes = nn.ModuleList(
            _block(nn.Conv2d(up + skip, out, kernel, padding=kernel // 2), out)
            for up, skip, out in zip(up_channels, self.skips, out_channels, strict=True)
        )

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels (B, C_i, h_i, w_i), finest first -> (B, F, h_0, w_0)."""
        *finer, feature = levels
        stages = zip(self.ups, self.mixes, self.skips, finer, strict=True)
        for up, mix, skip, level in reversed(list(stages)):
            feature = mix(torch.cat((up(feature), level[:, :skip]), dim=1))
        return feature


@HEADS.register_module()
class Pix2PoseHead(BaseModule):
    """One layer to coordinates, expected error and mask.

    Args:
        in_channels: F of the feature map.
        objects: number of objects with output channels of their own. None: all objects share one
            set of channels.
        doubles: a transposed convolution 5x5 that doubles the size, as in the original, instead of
            a convolution 1x1.
        bounded: coordinates through tanh, as in the original. Only for models centred on their
            boxes: others have coordinates beyond one.
    """

    def __init__(
        self,
        in_channels: int,
        objects: int | None = None,
        doubles: bool = False,
        bounded: bool = False,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.objects = objects
        self.bounded = bounded
        width = CHANNELS * (objects or 1)
        self.output = (
            _doubling(in_channels, width, 5) if doubles else nn.Conv2d(in_channels, width, 1)
        )

    def init_weights(self) -> None:
        """Small weights and zero biases: no coordinates, an error of a half, an undecided mask."""
        nn.init.normal_(self.output.weight, std=V1_STD)
        if self.output.bias is not None:
            nn.init.zeros_(self.output.bias)

    def forward(self, feature: Tensor, object_index: Tensor) -> PixelMaps:
        """Feature maps (B, F, h, w) and the objects (B,) they show -> maps of B patches."""
        values = self.output(feature).unflatten(1, (-1, CHANNELS))
        column = torch.zeros_like(object_index) if self.objects is None else object_index
        own = values[torch.arange(len(feature), device=feature.device), column]
        noc, error, mask_logit = own.split((COORDINATES, 1, 1), dim=1)
        return PixelMaps(noc.tanh() if self.bounded else noc, error.sigmoid(), mask_logit)


def _doubling(entering: int, leaving: int, kernel: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles the size."""
    return nn.ConvTranspose2d(entering, leaving, kernel, 2, kernel // 2, output_padding=1)


def _block(layer: nn.Module, channels: int) -> nn.Sequential:
    """A layer, batch norm and the activation."""
    return nn.Sequential(
        layer, nn.BatchNorm2d(channels, NORM_EPS, NORM_MOMENTUM), nn.LeakyReLU(SLOPE)
    )
