"""Dense outputs of the detector. Shapes are written at the field."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .tensor_record import TensorRecord, select_class


@dataclass(frozen=True)
class DenseOutputs:
    """Predictions of the dense head: lists with one (B, C, H, W) tensor per level of the feature
    pyramid.
    """

    cls_score: list[Tensor]  # C = number of classes, logits
    centerness: list[Tensor]  # C = 1, logits
    offset: list[Tensor]  # C = 2 x classes (or 2): reference points, network-input px
    embedding: list[Tensor]  # C = E
    # C = 4: distances left, top, right, bottom from the grid point, px; None without box branch.
    bbox: list[Tensor] | None


@dataclass(frozen=True)
class DensePoints(TensorRecord):
    """The dense outputs as one list of points, image-major, then level, row, column; Q points per
    batch.
    """

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
        return select_class(self.offset, label)
