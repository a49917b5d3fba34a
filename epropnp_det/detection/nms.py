"""Non-maximum suppression in bird's-eye view."""

from __future__ import annotations

import torch
from mmcv.ops import nms_rotated
from torch import Tensor


def footprints(pose: Tensor, size: Tensor) -> Tensor:
    """Rotated rectangles (n, 5) of the ground plane for `mmcv.ops`: x, z, length, width, angle.

    mmcv turns the first axis towards the second, R_y(yaw) turns x away from z, so the sign changes.

    Args:
        pose: (n, 4) x, y, z in metres (gravity centre, y down) and yaw in radians.
        size: (n, 3) l, h, w in metres.
    """
    return torch.stack([pose[:, 0], pose[:, 2], size[:, 0], size[:, 2], -pose[:, 3]], dim=1)


def bev_nms(pose: Tensor, size: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Keeps the best of boxes of one class whose footprints overlap by more than `threshold`
    (intersection over union).

    Boxes of different classes never suppress each other. Any number of boxes, none and one
    included; CPU and CUDA.

    Args:
        pose: (n, 4) x, y, z in metres (gravity centre, y down) and yaw in radians.
        size: (n, 3) l, h, w in metres.
        scores: (n,), higher is better.
        labels: (n,) class indices.

    Returns:
        Indices (k,) of the boxes kept, best score first.
    """
    if len(pose) == 0:
        return labels.new_zeros(0, dtype=torch.long)
    boxes = _apart_by_class(footprints(pose, size).float(), labels)
    return nms_rotated(boxes, scores.float(), threshold)[1]


def _apart_by_class(boxes: Tensor, labels: Tensor) -> Tensor:
    """Shifts the rectangles (n, 5) of every class to where no other class is; the operator's own
    labels work on CUDA only.
    """
    centers = boxes[:, :2] - boxes[:, :2].mean(dim=0)  # small numbers keep float32 exact enough
    reach = 2 * centers.abs().max() + 2 * boxes[:, 2:4].norm(dim=1).max() + 1
    shift = torch.stack([labels * reach, torch.zeros_like(reach).expand(len(labels))], dim=1)
    return torch.cat([centers + shift, boxes[:, 2:]], dim=1)
