"""Predicted and detected objects. Shapes are written at the field; M queries, P points per object,
n detections.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..boxes import Boxes3D
from .tensor_record import TensorRecord


@dataclass(frozen=True)
class ObjectPredictions(TensorRecord):
    """Everything predicted for an object before its pose is solved."""

    noc: Tensor  # (M, P, 3) normalised object coordinates
    x2d: Tensor  # (M, P, 2) network-input px
    w2d: Tensor  # (M, P, 2) 1/px, >= 0, softmax times scale
    w2d_scale: Tensor  # (M, 2)
    size_code: Tensor  # (M, classes, 3) or (M, 1, 3)
    size: Tensor  # (M, 3) l, h, w of the query's class, m
    score: Tensor  # (M,) logit of the 3D score
    velocity: Tensor  # (M, 2) vx, vz, m/s, frame of the (possibly mirrored) network input
    attribute: Tensor  # (M, attributes) logits


# Detections of one image, best first, in the camera frame of the original image.
Detections = Boxes3D
