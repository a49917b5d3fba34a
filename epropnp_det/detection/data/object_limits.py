"""Limits of visibility and size of the true boxes that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ObjectLimits:
    """The limits of `FilterObjects`.

    Args:
        min_visibility: smallest nuScenes visibility token kept (1: 0-40 %, 2: 40-60 %, 3: 60-80 %,
            4: 80-100 %).
        max_truncation: largest share of the projected rectangle outside the image.
        min_box_size: smallest width and height of the rectangle inside the image, px.
    """

    min_visibility: int = 2
    max_truncation: float = 0.8
    min_box_size: float = 4.0

    def admit(
        self, boxes: np.ndarray, visibility: np.ndarray, truncation: np.ndarray
    ) -> np.ndarray:
        """Mask (n,) of the objects kept; boxes (n, 4) as x1, y1, x2, y2."""
        dropped = self.dropped(boxes, visibility, truncation).values()
        return ~np.logical_or.reduce(list(dropped))

    def dropped(
        self, boxes: np.ndarray, visibility: np.ndarray, truncation: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Masks (n,) of the objects that are not kept, by reason."""
        small = ((boxes[:, 2:] - boxes[:, :2]) < self.min_box_size).any(axis=1)
        return {
            f"hidden (visibility below {self.min_visibility})": visibility < self.min_visibility,
            f"cut off (truncation above {self.max_truncation:g})": truncation > self.max_truncation,
            f"small (a side below {self.min_box_size:g} px)": small,
        }
