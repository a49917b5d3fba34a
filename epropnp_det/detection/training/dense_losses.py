"""Losses of the dense head: class, reference point, centreness and 2D box."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from epropnp_det.losses.over_processes import shared_count

from ..structures.dense import DensePoints
from ..structures.ground_truth import GroundTruth
from .targets import Assignment


def dense_losses(
    losses: nn.ModuleDict, points: DensePoints, target: Assignment, gt: GroundTruth
) -> dict[str, Tensor]:
    """Losses of the dense points of a batch, each ().

    Args:
        losses: `cls`, focal; `reference`, smooth L1 of the reference point; `centerness`, binary
            cross-entropy; `bbox`, GIoU, may be absent.
        points: Q points of the batch.
        target: targets of the same points; `gt_index` counts the boxes of the whole batch.
        gt: boxes of the whole batch.
    """
    foreground = (target.gt_index >= 0).nonzero()[:, 0]
    positive = points[foreground]
    own = gt[target.gt_index[foreground]]
    centerness = target.centerness[foreground]
    background = torch.full_like(target.gt_index, points.cls_score.shape[1])
    label = background.index_copy(0, foreground, own.label)
    count = shared_count(centerness.new_tensor(float(len(foreground))))
    total = shared_count(centerness.sum())
    error = reference_error(positive.reference_of(own.label), own)
    values = dict(
        loss_cls=losses["cls"](points.cls_score, label, avg_factor=count),
        loss_reference=losses["reference"](
            error, torch.zeros_like(error), weight=centerness[:, None], avg_factor=2 * total
        ),
        loss_centerness=losses["centerness"](positive.centerness, centerness, avg_factor=count),
    )
    if "bbox" in losses:
        if positive.bbox is None:
            raise ValueError("a loss of 2D boxes needs a dense head with a box branch")
        corners = (positive.grid - positive.bbox[:, :2], positive.grid + positive.bbox[:, 2:])
        values["loss_bbox"] = losses["bbox"](
            torch.cat(corners, 1), own.box2d, weight=centerness, avg_factor=total
        )
    return values


def reference_error(reference: Tensor, gt: GroundTruth, slack: float = 4.0) -> Tensor:
    """(n, 2) error of the reference point, px, in fifths of the width and height of the box, each
    grown by `slack` px.
    """
    box_size = gt.box2d[:, 2:] - gt.box2d[:, :2]
    return (reference - gt.center2d) / (0.2 * (box_size + slack))
