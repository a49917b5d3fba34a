"""Which detection belongs to which true box."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou


def match_boxes(
    box: Tensor, label: Tensor, score: Tensor, true_box: Tensor, true_label: Tensor, min_iou: float
) -> Tensor:
    """Pairs boxes in the image; the best score chooses first, every true box has one detection at
    most.

    Args:
        box, label, score: (n, 4) left, top, right, bottom [px], (n,), (n,) of the detections.
        true_box, true_label: (m, 4), (m,).
        min_iou: least intersection over union of a pair; the classes of a pair are the same.

    Returns:
        (n,) index of the true box of each detection, -1 where it has none.
    """
    iou = box_iou(box, true_box) * (label[:, None] == true_label)
    match = torch.full_like(label, -1)
    if true_box.numel() == 0:
        return match
    for index in score.argsort(descending=True, stable=True).tolist():
        best = int(iou[index].argmax())
        if iou[index, best] >= min_iou:
            match[index] = best
            iou[:, best] = 0
    return match
