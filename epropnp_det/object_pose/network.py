"""Necks that turn the levels of a backbone over a square patch into one feature map."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmdet.models.builder import NECKS
from torch import Tensor, nn

# Standard deviation of the convolutions and linear layers of the released v1 model.
V1_STD = 0.001
INITIALIZATIONS = ("v1", "v2")


@NECKS.register_module()
class UpsamplingDecoder(BaseModule):
    """The decoder of CDPN: three stages that double the size of the backbone's last level.

    A stage is a transposed convolution of stride 2 and two convolutions, all 3x3 without bias, each
    followed by batch norm and ReLU.

    Args:
        in_channels: C of the backbone's last level.
        out_channels: F of every convolution.
        initialization: 'v1', normal weights of standard deviation 0.001, or 'v2', Kaiming uniform.
    """

    STAGES = 3

    def __init__(
        self,
        in_channels: int = 512,
        out_channels: int = 256,
        initialization: str = "v2",
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.initialization = checked_initialization(initialization)
        layers: list[nn.Module] = []
        for stage in range(self.STAGES):
            entering = in_channels if stage == 0 else out_channels
            layers += [
                nn.ConvTranspose2d(entering, out_channels, 3, 2, 1, output_padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]
            for _ in range(2):
                layers += [
                    nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
                    nn.BatchNorm2d(out_channels),
                    nn.ReLU(inplace=True),
                ]
        self.features = nn.Sequential(*layers)

    def init_weights(self) -> None:
        """Draws the weights of all convolutions by `initialization`."""
        for layer in self.features:
            if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                continue
            if self.initialization == "v1":
                nn.init.normal_(layer.weight, std=V1_STD)
            else:
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="leaky_relu")

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels of the backbone, the last (B, C, h, w) -> (B, F, 8 h, 8 w)."""
        return self.features(levels[-1])


@NECKS.register_module()
class FinestPyramidLevel(BaseModule):
    """A feature pyramid of which the finest level alone comes out.

    mmdet's `FPN` would make an output convolution for each level; those of the others never get a
    gradient.

    Args:
        in_channels: channels of the backbone's levels, finest first.
        out_channels: F.
    """

    def __init__(
        self, in_channels: Sequence[int], out_channels: int = 64, init_cfg: dict | None = None
    ):
        super().__init__(init_cfg)
        self.laterals = nn.ModuleList(nn.Conv2d(width, out_channels, 1) for width in in_channels)
        self.output = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def init_weights(self) -> None:
        """Xavier uniform weights and zero biases, as mmdet's `FPN`."""
        for layer in (*self.laterals, self.output):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Levels (B, C_i, h_i, w_i), finest first -> (B, F, h_0, w_0)."""
        *finer, coarsest = (lateral(level) for lateral, level in zip(self.laterals, levels))
        merged = coarsest
        for level in reversed(finer):
            merged = level + F.interpolate(merged, size=level.shape[-2:], mode="nearest")
        return F.relu(self.output(merged))


def checked_initialization(name: str) -> str:
    """The name of an initialisation.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in INITIALIZATIONS:
        raise ValueError(
            f"unknown initialization {name!r}; use one of {', '.join(INITIALIZATIONS)}"
        )
    return name
