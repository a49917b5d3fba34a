"""Predicted and detected objects. Shapes are written at the field; M queries, P points an object, n
detections.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

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


@dataclass(frozen=True)
class Detections(TensorRecord):
    """Detected objects of one image, best first; camera frame of the original image."""

    pose: Tensor  # (n, 4) x, y, z of the gravity centre, yaw; m, rad
    size: Tensor  # (n, 3) l, h, w, m
    velocity: Tensor  # (n, 2) vx, vz, m/s
    score: Tensor  # (n,)
    label: Tensor  # (n,)
    attribute: Tensor  # (n,) index into nuscenes_classes.ATTRIBUTES; one past the end means none
    covariance: Tensor  # (n, 4, 4) of the pose
    # Weighted samples of the pose distributions, where they were asked for:
    sample_pose: Tensor | None = None  # (n, S, 4) as pose
    sample_weight: Tensor | None = (
        None  # (n, S), each row sums to one; NaN where a distribution broke down
    )

    def __len__(self) -> int:
        return len(self.score)
