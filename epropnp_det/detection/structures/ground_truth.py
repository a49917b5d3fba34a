"""Annotated objects of an image. Shapes are written at the field."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .tensor_record import TensorRecord


@dataclass(frozen=True)
class GroundTruth(TensorRecord):
    """Annotated objects of one image, camera frame of the network input (mirrored where the image
    is).
    """

    label: Tensor  # (n,)
    pose: Tensor  # (n, 4) x, y, z of the gravity centre, yaw; m, rad
    size: Tensor  # (n, 3) l, h, w, m
    velocity: Tensor  # (n, 2) vx, vz, m/s, NaN where unknown
    attribute: Tensor  # (n,), `UNKNOWN_ATTRIBUTE` where unknown
    box2d: Tensor  # (n, 4) left, top, right, bottom, network-input px, inside the image
    center2d: Tensor  # (n, 2) network-input px: the point that queries gather around

    def __len__(self) -> int:
        return len(self.label)
