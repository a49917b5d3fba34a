"""A pipeline step of mmdet that draws clutter behind the objects of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmdet.datasets.builder import PIPELINES

from epropnp_det.errors import UserError

from .clutter import draw_clutter
from .rendering import color_levels, linear_colors


@PIPELINES.register_module()
class DrawClutter:
    """Random shapes behind the objects of a share of the images, see `draw_clutter`. The masks of
    the objects, `gt_masks`, must be loaded; what has no mask is background.

    Args:
        share: part of the images that get clutter, from 0 to 1.

    Raises:
        UserError: the share is out of range.
    """

    def __init__(self, share: float):
        if not 0 <= share <= 1:
            raise UserError(f"DrawClutter: share is {share}; it must be from 0 to 1")
        self.share = share

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """The results with another `img` (H, W, 3) uint8."""
        # Global, as of mmdet's own steps, which its workers seed.
        rng = np.random.default_rng(np.random.randint(2**31))
        if rng.uniform() >= self.share:
            return results
        image = results["img"]
        shown = results["gt_masks"].to_ndarray().any(0)
        cluttered = clutter_around(image, shown, rng)
        return dict(results, img=cluttered)


def clutter_around(image: np.ndarray, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of an image (H, W, 3) uint8 with clutter wherever `shown` (H, W) is false."""
    height, width = image.shape[:2]
    square = np.zeros((max(height, width),) * 2 + (3,), np.float32)
    square[:height, :width] = linear_colors(image)
    linear = draw_clutter(square, rng)[:height, :width]
    return np.where(shown[..., None], image, color_levels(linear))
