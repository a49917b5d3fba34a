"""Predicted objects. Shapes are written at the field; M queries, P points per object."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from epropnp_det.pnp import Correspondences

from .tensor_record import TensorRecord


@dataclass(frozen=True)
class ObjectPredictions(TensorRecord):
    """Everything predicted for an object before its pose is solved."""

    noc: Tensor  # (M, P, 3) normalised object coordinates
    x2d: Tensor  # (M, P, 2) network-input px
    w2d_share: Tensor  # (M, P, 2) share of each point in the weights of its object, >= 0
    w2d_scale: Tensor  # (M, 2) 1/px, scale of the weights of the object
    size_code: Tensor  # (M, classes, 3) or (M, 1, 3)
    size: Tensor  # (M, 3) l, h, w of the query's class, m
    score: Tensor  # (M,) logit of the 3D score
    velocity: Tensor  # (M, 2) vx, vz, m/s, frame of the (possibly mirrored) network input
    attribute: Tensor  # (M, attributes) logits

    def correspondences(self, constant_scales: bool = False) -> Correspondences:
        """(M,) 2D-3D points: x3d = noc x size and w2d = w2d_share x w2d_scale.

        Args:
            constant_scales: no gradient reaches size and w2d_scale.
        """
        size = self.size.detach() if constant_scales else self.size
        scale = self.w2d_scale.detach() if constant_scales else self.w2d_scale
        return Correspondences(self.noc * size[:, None], self.x2d, self.w2d_share * scale[:, None])


@dataclass(frozen=True)
class ScoredObjects(TensorRecord):
    """Objects of a batch of images, with everything that their boxes need besides the cameras."""

    image: Tensor  # (M,) index of the image in the batch
    label: Tensor  # (M,) class
    class_score: Tensor  # (M,) in [0, 1]
    predictions: ObjectPredictions
