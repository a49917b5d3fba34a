"""Boxes of many images as rows of one table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..boxes import Boxes3D


@dataclass(frozen=True)
class BoxTable:
    """n boxes with y down, each in the frame of its own image; m, rad, m/s.

    Args:
        image: (n,) index of the image.
        pose: (n, 4) x, y, z of the gravity centre, yaw.
        size: (n, 3) l, h, w.
        label: (n,) index into the class names.
        velocity: (n, 2) vx, vz; NaN where unknown.
        attribute: (n,) index into the attributes.
        score: (n,) of detections; 1 for true boxes.
        counted: (n,) whether a true box has to be found; of others it does not matter whether they
            are.
    """

    image: np.ndarray
    pose: np.ndarray
    size: np.ndarray
    label: np.ndarray
    velocity: np.ndarray
    attribute: np.ndarray
    score: np.ndarray
    counted: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, index: np.ndarray) -> BoxTable:
        return BoxTable(**{name: value[index] for name, value in vars(self).items()})

    @property
    def distance(self) -> np.ndarray:
        """(n,) from the camera, in the ground plane."""
        return np.hypot(self.pose[:, 0], self.pose[:, 2])


def make_table(boxes: Sequence[Boxes3D], counted: Sequence[np.ndarray] | None = None) -> BoxTable:
    """The boxes of each image, in order, as one table. Boxes that are not finite or have no extent
    are left out, with one warning that counts them.

    Args:
        boxes: one per image.
        counted: (n,) bool of each image, of true boxes; None counts all.
    """
    masks = counted or [np.ones(len(each), dtype=bool) for each in boxes]
    parts = [
        _rows(index, each, mask)
        for index, (each, mask) in enumerate(zip(boxes, masks, strict=True))
    ]
    names = BoxTable.__dataclass_fields__
    table = BoxTable(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
    numbers = np.concatenate([table.pose, table.size, table.score[:, None]], axis=1)
    usable = np.isfinite(numbers).all(axis=1) & (table.size > 0).all(axis=1)
    if not usable.all():
        warnings.warn(
            f"{int((~usable).sum())} boxes are not finite or have no extent; they are left out of "
            "the evaluation",
            stacklevel=2,
        )
    return table[usable]


def _rows(index: int, boxes: Boxes3D, counted: np.ndarray) -> BoxTable:
    count = len(boxes)

    def column(values: Tensor | None, empty: np.ndarray) -> np.ndarray:
        return empty if values is None else values.cpu().double().numpy()

    return BoxTable(
        image=np.full(count, index),
        pose=boxes.pose.cpu().double().numpy(),
        size=boxes.size.cpu().double().numpy(),
        label=boxes.label.cpu().numpy(),
        velocity=column(boxes.velocity, np.full((count, 2), np.nan)),
        attribute=column(boxes.attribute, np.full(count, -1.0)).astype(np.int64),
        score=column(boxes.score, np.ones(count)),
        counted=counted,
    )
