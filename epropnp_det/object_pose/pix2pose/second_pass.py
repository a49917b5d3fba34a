"""The second pass: patches around what the first pass found, without the background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..structures import PatchGeometry
from .points import LEAST_POINTS

# Largest sides of the rectangle of the object that a training hides, in sides of the patch.
_LARGEST_GAP = 0.5


@dataclass(frozen=True)
class TwoPassSettings:
    """How the second pass follows from the first.

    Args:
        outer: largest expected errors of the cells that the second patch is made of; each gives a
            candidate, and the one that most cells agree with is taken. None: one pass.
        scale: side of the second patch in longer sides of the box of these cells.
        hide_background: pixels outside these cells become grey.
    """

    outer: Sequence[float] | None = (0.15, 0.25, 0.35)
    scale: float = 1.5
    hide_background: bool = True


def second_geometry(geometry: PatchGeometry, kept: Tensor, scale: float) -> PatchGeometry:
    """Where the second patches lie: around the centroid of the cells that are kept (B, 1, h, w), of
    at most the side of the first. Objects with fewer than six cells keep their patch.
    """
    rows, columns = kept.shape[-2:]
    count = kept.sum((1, 2, 3))
    cell = geometry.cell(columns)
    along_x = kept.any(2)[:, 0]  # (B, w)
    along_y = kept.any(3)[:, 0]
    side = torch.maximum(_extent(along_x), _extent(along_y)) * scale * cell
    side = torch.minimum(side, geometry.side)
    place_x = torch.arange(columns, device=kept.device) + 0.5
    place_y = torch.arange(rows, device=kept.device) + 0.5
    total_x = (kept.sum(2)[:, 0] * place_x).sum(1)
    total_y = (kept.sum(3)[:, 0] * place_y).sum(1)
    centroid = torch.stack((total_x, total_y), -1) / count.clamp(min=1)[:, None]
    # In pixels of the image: cells of the first patch have its scale.
    origin = geometry.origin + centroid * cell[:, None] - side[:, None] / 2
    enough = count >= LEAST_POINTS
    return replace(
        geometry,
        origin=torch.where(enough[:, None], origin, geometry.origin),
        side=torch.where(enough, side, geometry.side),
    )


def _extent(shown: Tensor) -> Tensor:
    """From the first to the last True, both included, along the last dim: (B, n) -> (B,)."""
    place = torch.arange(shown.shape[-1], device=shown.device)
    first = torch.where(shown, place, shown.shape[-1]).amin(-1)
    last = torch.where(shown, place, -1).amax(-1)
    return (last - first + 1).clamp(min=0)


def moved_cells(kept: Tensor, before: PatchGeometry, after: PatchGeometry, size: int) -> Tensor:
    """Which pixels (B, 1, size, size) of the second patches lie in cells that are kept."""
    # Corners of the patch `after` in the patch `before`, whose sides are at -1 and 1.
    shift = 2 * (after.origin - before.origin) / before.side[:, None]
    ratio = after.side / before.side
    centre = shift + ratio[:, None] - 1
    theta = torch.zeros(len(kept), 2, 3, device=kept.device, dtype=before.side.dtype)
    theta[:, 0, 0] = ratio
    theta[:, 1, 1] = ratio
    theta[:, :, 2] = centre
    grid = F.affine_grid(theta, [len(kept), 1, size, size], align_corners=False)
    values = kept.to(theta.dtype)
    return F.grid_sample(values, grid, mode="nearest", align_corners=False) > 0.5


def hide(img: Tensor, shown: Tensor) -> Tensor:
    """Patches (B, 3, H, W) with grey pixels where `shown` (B, 1, H, W) is False."""
    return img * shown


def imitated_cells(mask: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Cells (B, 1, h, w) that a first pass might keep of an object: those of its mask in [0, 1],
    without a random rectangle.
    """
    batch, _, rows, columns = mask.shape
    low_x, low_y, width, height = torch.rand(
        4, batch, 1, 1, 1, generator=generator, device=mask.device
    )
    x = ((torch.arange(columns, device=mask.device) + 0.5) / columns)[None, None, None]
    y = ((torch.arange(rows, device=mask.device) + 0.5) / rows)[None, None, :, None]
    inside_x = (x > low_x) & (x < low_x + _LARGEST_GAP * width)
    inside_y = (y > low_y) & (y < low_y + _LARGEST_GAP * height)
    return (mask > 0.5) & ~(inside_x & inside_y)


def imitate(
    img: Tensor, mask: Tensor, share: float, generator: torch.Generator | None = None
) -> Tensor:
    """Patches (B, 3, H, W) of which a share is as in the second pass, by the masks (B, 1, h, w)
    of the objects: background and a random rectangle are grey.
    """
    cells = imitated_cells(mask, generator)
    shown = F.interpolate(cells.to(img.dtype), size=img.shape[-2:], mode="nearest")
    plain = torch.rand(len(img), 1, 1, 1, generator=generator, device=img.device) >= share
    return torch.where(plain, img, hide(img, shown))
