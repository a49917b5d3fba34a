"""From an image and boxes to the patches that the network sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from epropnp_det.pnp._records import Record

from .data.crops import (
    CropSettings,
    CropWindow,
    crop_image,
    crop_released,
    crop_window,
    released_window,
)
from .structures import PatchGeometry

# Pixels around a patch that are read with it, so that the border is interpolated as the rest.
_MARGIN = 2


@dataclass(frozen=True)
class PatchSettings:
    """How a patch becomes the network's input.

    Args:
        size: side of the input [px].
        mean: number of each channel that is subtracted first.
        std: number of each channel that divides the rest.
        to_rgb: turn OpenCV's channels, blue first, to red first.
        released: cut whole pixels as the released programs do, see `ReleasedWindow`.
    """

    size: int = 128
    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: tuple[float, float, float] = (128.0, 128.0, 128.0)
    to_rgb: bool = True
    released: bool = False

    def normalize(self, patch: np.ndarray) -> Tensor:
        """(size, size, 3), blue first, 0..255 -> (3, size, size) as the network takes it."""
        ordered = patch[..., ::-1] if self.to_rgb else patch
        scaled = (ordered.astype(np.float32) - np.asarray(self.mean, np.float32)) / np.asarray(
            self.std, np.float32
        )
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)))


@dataclass(frozen=True)
class ImageSource(Record):
    """The whole images of B patches, for networks that cut patches of their own.

    Args:
        image: (B, 3, H, W), normalised as the patches are.
        black: (B, 3), values of a black pixel: what lies beyond the image's border.
    """

    image: Tensor
    black: Tensor

    @classmethod
    def of(cls, image: np.ndarray, settings: PatchSettings) -> Self:
        """The source (1,) of one image (H, W, 3), blue first, 0..255."""
        black = settings.normalize(np.zeros((1, 1, 3), np.float32))[:, 0, 0]
        return cls(settings.normalize(image)[None], black[None])

    def patches(self, geometry: PatchGeometry, size: int) -> Tensor:
        """What B patches show, (B, 3, size, size)."""
        cut = [
            self._patch(index, CropWindow(origin, float(side)), size)
            for index, (origin, side) in enumerate(
                zip(geometry.origin.double().cpu().numpy(), geometry.side)
            )
        ]
        return torch.stack(cut).to(geometry.side)

    def _patch(self, index: int, window: CropWindow, size: int) -> Tensor:
        limit = np.array(self.image.shape[:1:-1])  # width, height
        low = np.clip(np.floor(window.origin).astype(int) - _MARGIN, 0, limit - 1)
        high = np.ceil(window.origin + window.side).astype(int) + _MARGIN
        high = np.clip(high, low + 1, limit)
        black = self.black[index].cpu()
        part = self.image[index, :, low[1] : high[1], low[0] : high[0]].cpu().permute(1, 2, 0)
        shown = np.ascontiguousarray((part - black).numpy())
        patch = crop_image(shown, CropWindow(window.origin - low, window.side), size)
        return (torch.from_numpy(patch) + black).permute(2, 0, 1)


def cut_patch(
    image: np.ndarray, box: Sequence[float] | np.ndarray, settings: PatchSettings
) -> tuple[Tensor, np.ndarray, float]:
    """The patch around a box.

    Args:
        image: (H, W, 3), blue first, 0..255.
        box: x, y, w, h [px], pixel centres at half integers.

    Returns:
        Input (3, size, size), origin (2,) x, y [px] of its upper left corner, side [px].
    """
    if not settings.released:
        window = crop_window(np.asarray(box), CropSettings())
        patch = crop_image(image, window, settings.size)
        return settings.normalize(patch), window.origin, window.side
    height, width = image.shape[:2]
    cut = released_window(np.asarray(box), (width, height), CropSettings())
    # The released programs have pixel centres at integers.
    origin = np.trunc(cut.center) - cut.side / 2 + 0.5
    return settings.normalize(crop_released(image, cut, settings.size)), origin, float(cut.side)


def cut_patches(
    image: np.ndarray,
    camera_matrix: np.ndarray,
    boxes: np.ndarray,
    half_extent: np.ndarray,
    object_index: Sequence[int],
    settings: PatchSettings,
) -> tuple[Tensor, PatchGeometry]:
    """Inputs (B, 3, size, size) of B objects of one image, and where they lie.

    Args:
        image: (H, W, 3), blue first, 0..255.
        camera_matrix: (3, 3) intrinsics, pixel centres at half integers.
        boxes: (B, 4) x, y, w, h [px], B > 0.
        half_extent: (B, 3) [m].
        object_index: (B,) places in the model's list of objects.
    """
    patches, origins, sides = zip(*(cut_patch(image, box, settings) for box in boxes))
    geometry = PatchGeometry(
        torch.tensor(np.array(origins), dtype=torch.float32),
        torch.tensor(sides, dtype=torch.float32),
        torch.tensor(camera_matrix, dtype=torch.float32).expand(len(boxes), 3, 3),
        torch.tensor(half_extent, dtype=torch.float32),
        torch.tensor(object_index),
    )
    return torch.stack(patches), geometry
