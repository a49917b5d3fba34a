"""Object queries and the features sampled for them. Shapes are written at the field.

M is the number of object queries in a batch, P the number of points of an object (heads x points
per head), E the width of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .dense import DensePoints
from .tensor_record import TensorRecord


@dataclass(frozen=True)
class Queries(TensorRecord):
    """Object queries taken from the dense outputs."""

    image: Tensor  # (M,) index of the image in the batch
    label: Tensor  # (M,) class
    reference: Tensor  # (M, 2) reference point, network-input px
    stride: Tensor  # (M,) px of the level the query comes from
    embedding: Tensor  # (M, E)


def gather_queries(points: DensePoints, index: Tensor, label: Tensor) -> Queries:
    """Queries of class `label` (M,) at dense points `index` (M,)."""
    at = points[index]
    return Queries(at.image, label, at.reference_of(label), at.stride, at.embedding)


@dataclass(frozen=True)
class SampledFeatures(TensorRecord):
    """Features sampled by deformable attention around the reference point of each query."""

    location: Tensor  # (M, P, 2) network-input px
    value: Tensor  # (M, P, E / heads) features of the points
    inside: Tensor  # (M, P) in [0, 1], 0 outside the image
    query: Tensor  # (M, heads, E / heads)
    object: Tensor  # (M, E) attended feature of the object
