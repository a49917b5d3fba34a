"""Pipeline steps of mmdet that draw clutter or a photograph behind the objects of whole images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmdet.datasets.builder import PIPELINES

from .clutter import checked_share, draw_clutter
from .photographs import Photographs
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
        self.share = checked_share(share, "DrawClutter: share")

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """The results with another `img` (H, W, 3) uint8."""
        rng = step_generator()
        if rng.uniform() >= self.share:
            return results
        return dict(results, img=clutter_around(results["img"], shown_pixels(results), rng))


@PIPELINES.register_module()
class PastePhotograph:
    """A part of a photograph behind the objects of a share of the images, in place of what was
    there. The masks of the objects, `gt_masks`, must be loaded.

    Args:
        source: a folder or a pattern of images, see `Photographs`.
        share: part of the images that get a photograph, from 0 to 1.

    Raises:
        UserError: the share is out of range, or there are no photographs.
    """

    def __init__(self, source: str, share: float):
        self.photographs = Photographs(source)
        self.share = checked_share(share, "PastePhotograph: share")

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        """The results with another `img` (H, W, 3) uint8, BGR as mmdet has it."""
        rng = step_generator()
        if rng.uniform() >= self.share:
            return results
        image = results["img"]
        behind = self.photographs.window(image.shape[1::-1], rng)[..., ::-1]
        return dict(results, img=np.where(shown_pixels(results)[..., None], image, behind))


def step_generator() -> np.random.Generator:
    """A generator of the global random state, as of mmdet's own steps, which its workers seed."""
    return np.random.default_rng(np.random.randint(2**31))


def shown_pixels(results: Mapping[str, Any]) -> np.ndarray:
    """(H, W) bool: pixels that show an object."""
    return results["gt_masks"].to_ndarray().any(0)


def clutter_around(image: np.ndarray, shown: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of an image (H, W, 3) uint8 with clutter wherever `shown` (H, W) is false."""
    height, width = image.shape[:2]
    square = np.zeros((max(height, width),) * 2 + (3,), np.float32)
    square[:height, :width] = linear_colors(image)
    linear = draw_clutter(square, rng)[:height, :width]
    return np.where(shown[..., None], image, color_levels(linear))
