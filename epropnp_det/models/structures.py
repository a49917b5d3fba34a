"""The values that travel through the detector. All are frozen; shapes are written at the field.

M is the number of object queries in a batch, P the number of points of an object (heads x points per head), E the width of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from epropnp_det.pnp.records import Record


class TensorRecord(Record):
    """A record whose tensors share their first dimension and can be joined along it."""

    @classmethod
    def cat(cls, records: Sequence[Self]) -> Self:
        """Concatenates along the first dimension; a field is None in all records or in none."""
        columns = {f.name: [getattr(r, f.name) for r in records] for f in fields(cls)}
        return cls(**{name: None if values[0] is None else torch.cat(values) for name, values in columns.items()})


@dataclass(frozen=True)
class DenseOutputs:
    """What the dense head predicts on each level of the feature pyramid: lists with one (B, C, H, W) tensor a level."""

    cls_score: list[Tensor]  # C = number of classes, logits
    centerness: list[Tensor]  # C = 1, logits
    offset: list[Tensor]  # C = 2 x classes (or 2): reference points, network-input px
    embedding: list[Tensor]  # C = E
    bbox: list[Tensor] | None  # C = 4: distances left, top, right, bottom from the grid point, px; None where there is no box branch


@dataclass(frozen=True)
class DensePoints(TensorRecord):
    """The dense outputs as one list of points, image-major, then level, row, column; Q points a batch."""

    image: Tensor  # (Q,) index of the image in the batch
    grid: Tensor  # (Q, 2) grid point, px
    stride: Tensor  # (Q,) px
    cls_score: Tensor  # (Q, classes) logits
    centerness: Tensor  # (Q,) logits
    offset: Tensor  # (Q, classes or 1, 2) reference points, px
    embedding: Tensor  # (Q, E)
    bbox: Tensor | None  # (Q, 4) l, t, r, b, px

    def reference_of(self, label: Tensor) -> Tensor:
        """(Q,) class -> (Q, 2) reference point of that class, px."""
        return own_class(self.offset, label)


@dataclass(frozen=True)
class Queries(TensorRecord):
    """Object queries taken from the dense outputs."""

    image: Tensor  # (M,) index of the image in the batch
    label: Tensor  # (M,) class
    reference: Tensor  # (M, 2) reference point, network-input px
    stride: Tensor  # (M,) px of the level the query comes from
    embedding: Tensor  # (M, E)


def queries_at(points: DensePoints, index: Tensor, label: Tensor) -> Queries:
    """Queries of class `label` (M,) at dense points `index` (M,)."""
    at = points[index]
    return Queries(at.image, label, at.reference_of(label), at.stride, at.embedding)


@dataclass(frozen=True)
class SampledFeatures(TensorRecord):
    """What deformable attention finds around the reference point of each query."""

    location: Tensor  # (M, P, 2) network-input px
    value: Tensor  # (M, P, E / heads) features of the points
    inside: Tensor  # (M, P) in [0, 1], 0 outside the image
    query: Tensor  # (M, heads, E / heads)
    object: Tensor  # (M, E) attended feature of the object


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
class ObjectTruth(TensorRecord):
    """Annotated objects of one image, camera frame of the network input (mirrored where the image is)."""

    label: Tensor  # (n,)
    pose: Tensor  # (n, 4) x, y, z of the gravity centre, yaw; m, rad
    size: Tensor  # (n, 3) l, h, w, m
    velocity: Tensor  # (n, 2) vx, vz, m/s, NaN where unknown
    attribute: Tensor  # (n,)
    box2d: Tensor  # (n, 4) left, top, right, bottom, network-input px, inside the image
    center2d: Tensor  # (n, 2) network-input px: the point that queries gather around

    def __len__(self) -> int:
        return len(self.label)


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
    sample_weight: Tensor | None = None  # (n, S), each row sums to one; NaN where a distribution broke down

    def __len__(self) -> int:
        return len(self.score)


def own_class(per_class: Tensor, label: Tensor) -> Tensor:
    """(M, classes or 1, ...) and (M,) -> (M, ...), the entry of each object's class (the only one, where there is one)."""
    index = torch.zeros_like(label) if per_class.shape[1] == 1 else label
    return per_class[torch.arange(len(label), device=label.device), index]
