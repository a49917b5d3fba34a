"""The head: from a feature map to normalised coordinates, weight logits and weight scales."""

from __future__ import annotations

import torch
from mmcv.runner import BaseModule
from mmdet.models.builder import HEADS
from torch import Tensor, nn

from .network import V1_STD, checked_initialization
from .structures import CorrespondenceMaps

# Three normalised coordinates and two weight logits.
COORDINATES = 3
CHANNELS = 5
# Initial logarithm of the weight scales of the released v2 model: the scale is 20.1.
V2_LOG_SCALE = 3.0


@HEADS.register_module()
class CorrespondenceHead(BaseModule):
    """A 1x1 convolution to coordinates and weight logits, and a linear layer from the mean feature
    to the logarithms of the weight scales (Section 4.1, Figure 4).

    Args:
        in_channels: F of the feature map.
        objects: number of objects with output channels of their own. None: all objects share one
            set of channels, as in the released models, and no object index enters.
        initialization: 'v1', normal weights of standard deviation 0.001; 'v2', uniform weights of
            the points (zero logits) and a scale of e^3.
    """

    def __init__(
        self,
        in_channels: int,
        objects: int | None = None,
        initialization: str = "v2",
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.objects = objects
        self.initialization = checked_initialization(initialization)
        self.output = nn.Conv2d(in_channels, CHANNELS * (objects or 1), 1)
        self.log_scale = nn.Linear(in_channels, 2 * (objects or 1))

    def init_weights(self) -> None:
        """Draws the weights by `initialization`; the other biases stay as torch draws them."""
        nn.init.normal_(self.output.weight, std=V1_STD)
        if self.initialization == "v1":
            nn.init.normal_(self.log_scale.weight, std=V1_STD)
            return
        with torch.no_grad():
            self.output.weight.unflatten(0, (-1, CHANNELS))[:, COORDINATES:] = 0
        nn.init.zeros_(self.log_scale.weight)
        nn.init.constant_(self.log_scale.bias, V2_LOG_SCALE)

    def forward(self, feature: Tensor, object_index: Tensor) -> CorrespondenceMaps:
        """Feature maps (B, F, h, w) and the objects (B,) they show -> maps of B patches."""
        values = self.output(feature).unflatten(1, (-1, CHANNELS))
        log_scale = self.log_scale(feature.mean((2, 3))).unflatten(1, (-1, 2))
        column = torch.zeros_like(object_index) if self.objects is None else object_index
        row = torch.arange(len(feature), device=feature.device)
        own = values[row, column]
        return CorrespondenceMaps(
            own[:, :COORDINATES], own[:, COORDINATES:], log_scale[row, column].exp()
        )
