"""A classifier of single objects, whose backbone a detector can start from."""

from __future__ import annotations

import math

import torch
from mmcv.runner import BaseModule
from mmdet3d.models.builder import build_backbone
from torch import Tensor, nn
from torch.nn import functional as F

from epropnp_det.engine.registry import MODELS


@MODELS.register_module()
class HeadingClassifier(BaseModule):
    """Class and heading, one of some equal bins, from the mean feature of every level of a
    backbone: each level has to know.

    Args:
        backbone: config.
        channels: number of channels of each level of the backbone.
        num_classes: how many classes.
        bins: in which the full circle is divided.
    """

    def __init__(
        self,
        backbone: dict,
        channels: tuple[int, ...],
        num_classes: int,
        bins: int = 12,
        train_cfg: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ):
        super().__init__(init_cfg)
        self.backbone = build_backbone(backbone)
        self.label = nn.Linear(sum(channels), num_classes)
        self.heading = nn.Linear(sum(channels), bins)

    def forward(
        self, img: Tensor, label: Tensor | None = None, heading: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Logits without ground truth, else losses and the share of right answers.

        Args:
            img: (B, 3, H, W).
            label: (B,); heading: (B,) rad, NaN where there is none.

        Returns:
            `label` (B, classes) and `heading` (B, bins) logits; or scalars: `loss_label`,
            `loss_heading`, `label_accuracy`, `heading_accuracy` (objects without a heading left
            out).
        """
        feature = torch.cat([level.mean((2, 3)) for level in self.backbone(img)], 1)
        logits = dict(label=self.label(feature), heading=self.heading(feature))
        if label is None or heading is None:
            return logits
        return self._losses(logits, label, heading)

    def train_step(self, data: dict, optimizer: object) -> dict:
        """What mmcv's runners ask for."""
        losses = self(**data)
        loss = losses["loss_label"] + losses["loss_heading"]
        values = {name: float(value.detach()) for name, value in losses.items()}
        return dict(
            loss=loss,
            log_vars=dict(values, loss=float(loss.detach())),
            num_samples=len(data["img"]),
        )

    def _losses(
        self, logits: dict[str, Tensor], label: Tensor, heading: Tensor
    ) -> dict[str, Tensor]:
        known = heading.isfinite()
        bins = heading_bin(heading[known], logits["heading"].shape[1])
        found = logits["heading"][known]
        count = known.sum().clamp(min=1)
        return dict(
            loss_label=F.cross_entropy(logits["label"], label, label_smoothing=0.05),
            loss_heading=F.cross_entropy(found, bins, reduction="sum") / count,
            label_accuracy=(logits["label"].argmax(1) == label).float().mean(),
            heading_accuracy=(found.argmax(1) == bins).float().sum() / count,
        )


def heading_bin(heading: Tensor, bins: int) -> Tensor:
    """Which of the bins of the full circle, the first of which begins at 0, an angle in rad lies
    in.
    """
    return (torch.remainder(heading, 2 * math.pi) / (2 * math.pi) * bins).long().clamp(max=bins - 1)
