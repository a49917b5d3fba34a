"""Losses of the dense head: which points are objects, where their reference point lies, how large
they look.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmdet.core import reduce_mean
from torch import Tensor, nn

from ..structures.dense import DensePoints
from ..structures.ground_truth import GroundTruth
from .targets import Assignment


@dataclass(frozen=True)
class DenseLosses:
    """The loss functions of the dense head, each with its weight inside.

    Args:
        cls: focal; reference: smooth L1 of the reference point; centerness: binary cross-entropy;
            bbox: GIoU, or None.
    """

    cls: nn.Module
    reference: nn.Module
    centerness: nn.Module
    bbox: nn.Module | None

    def __call__(
        self, points: DensePoints, target: Assignment, truth: GroundTruth
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            points: Q points of the batch.
            target: of the same points, `truth` an index into the boxes of the whole batch.
            truth: boxes of the whole batch.
        """
        classes = points.cls_score.shape[1]
        foreground = (target.truth >= 0).nonzero()[:, 0]
        positive, own = points[foreground], truth[target.truth[foreground]]
        centerness = target.centerness[foreground]
        label = torch.full_like(target.truth, classes).index_copy(0, foreground, own.label)
        count = reduce_mean(centerness.new_tensor(float(len(foreground)))).clamp(min=1)
        total = reduce_mean(centerness.sum()).clamp(min=1)
        reference = positive.reference_of(own.label)
        losses = dict(
            loss_cls=self.cls(points.cls_score, label, avg_factor=count),
            loss_reference=self.reference(
                reference_error(reference, own),
                torch.zeros_like(reference),
                weight=centerness[:, None],
                avg_factor=2 * total,
            ),
            loss_centerness=self.centerness(positive.centerness, centerness, avg_factor=count),
        )
        if self.bbox is not None:
            box = torch.cat(
                (positive.grid - positive.bbox[:, :2], positive.grid + positive.bbox[:, 2:]), 1
            )
            losses["loss_bbox"] = self.bbox(box, own.box2d, weight=centerness, avg_factor=total)
        return losses


def reference_error(reference: Tensor, truth: GroundTruth, slack: float = 4.0) -> Tensor:
    """(n, 2) error of the reference point in fifths of the box's width and height, each grown by
    `slack` px.
    """
    extent = truth.box2d[:, 2:] - truth.box2d[:, :2]
    return (reference - truth.center2d) / (0.2 * (extent + slack))
