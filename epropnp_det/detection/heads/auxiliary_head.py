"""Auxiliary supervision of the dense features: each cell alone predicts where on its object it
lies.

The value of a cell gives object coordinates and a standard deviation for each attention head; the
attention of the object's query to the cell weighs the heads against one another, so that the
prediction of a cell is a mixture. Detection uses none of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

from epropnp_det.pnp import Camera

from ..structures.ground_truth import GroundTruth

DEPTH_COMPONENTS = 4


# Length of a box in the unit of the errors of object coordinates: (..., 3) l, h, w, m -> (...,) m.
COORDINATE_UNITS = {
    "mean_side": lambda size: size.mean(-1),
    "longest_side": lambda size: size.amax(-1),
}


@dataclass(frozen=True)
class AuxiliarySettings:
    """Settings of the auxiliary head.

    Args:
        roi_size: cells along each side of a region.
        coordinate_unit: errors of object coordinates are shares of the true box's "mean_side" or
            "longest_side".

    Raises:
        ValueError: another unit.
    """

    roi_size: int
    coordinate_unit: str = "mean_side"

    def __post_init__(self):
        if self.coordinate_unit not in COORDINATE_UNITS:
            raise ValueError(
                f"coordinate_unit must be one of {', '.join(COORDINATE_UNITS)}, "
                f"not {self.coordinate_unit!r}"
            )


@dataclass(frozen=True)
class Regions:
    """The G objects that have queries, each with the region of the image that its 2D box covers."""

    image: Tensor  # (G,) index of the image
    gt: GroundTruth  # of G
    camera: Camera  # batch of G
    query: Tensor  # (G, heads, E / heads) attention query: weighted mean over the object's queries
    size: Tensor  # (G, 3) predicted l, h, w, m: the same mean

    @property
    def rois(self) -> Tensor:
        """(G, 5) image index, x1, y1, x2, y2, px."""
        return torch.cat((self.image[:, None].to(self.gt.box2d), self.gt.box2d), 1)


@dataclass(frozen=True)
class CellMixtures:
    """Predictions of an H x W grid of cells over each of G regions: a mixture with one component
    per head.
    """

    noc: Tensor  # (G, heads, H, W, 3) normalised object coordinates
    log_std: Tensor  # (G, heads, H, W, 2) of the reprojection error
    log_weight: Tensor  # (G, heads, H, W), normalised over the heads


class AuxiliaryHead(nn.Module):
    """Predicts from the dense maps, cell by cell.

    Args:
        heads: attention heads.
        width: channels of a head.
        stride: px between the cells of the dense maps.
        settings: cells of a region and unit of the coordinate errors.
        depth: add the branch that predicts the depth of single pixels.
    """

    def __init__(
        self, heads: int, width: int, stride: int, settings: AuxiliarySettings, depth: bool = False
    ):
        super().__init__()
        self.heads = heads
        self.stride = stride
        self.settings = settings
        self.out_weight = nn.Parameter(torch.empty(heads, 5, width))
        self.out_bias = nn.Parameter(torch.zeros(heads, 5))
        nn.init.normal_(self.out_weight, std=0.01)
        self.depth = depth_branch(heads * width) if depth else None

    def cells(self, key: Tensor, value: Tensor, regions: Regions) -> CellMixtures:
        """Mixtures of the cells of each region, from (B, E, H, W) keys and values."""
        keys = self._aligned(key, regions.rois)
        values = self._aligned(value, regions.rois)
        out = torch.einsum("gkchw,koc->gkhwo", values, self.out_weight)
        noc, log_std = (out + self.out_bias[:, None, None]).split((3, 2), -1)
        logits = torch.einsum("gkchw,gkc->gkhw", keys, regions.query)
        log_weight = (logits / regions.query.shape[-1] ** 0.5).log_softmax(1)
        return CellMixtures(noc, log_std, log_weight)

    def depths(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """(m, E) values at m pixels -> (m, 4) logarithms of the relative depth, see
        `relative_depth`, and (m, 4) log mixture weights.

        Raises:
            ValueError: the head was made without `depth`.
        """
        if self.depth is None:
            raise ValueError("this auxiliary head has no depth branch")
        relative, logits = self.depth(feature).unflatten(-1, (DEPTH_COMPONENTS, 2)).unbind(-1)
        return relative, logits.log_softmax(-1)

    def _aligned(self, feature: Tensor, rois: Tensor) -> Tensor:
        """(B, E, H, W) -> (G, heads, E / heads, roi_size, roi_size)."""
        found = roi_align(feature, rois, self.settings.roi_size, 1 / self.stride, aligned=True)
        return found.unflatten(1, (self.heads, -1))


def depth_branch(channels: int) -> nn.Sequential:
    """Three linear layers; the last starts with equal mixture weights and different depths."""
    last = nn.Linear(channels, 2 * DEPTH_COMPONENTS)
    nn.init.xavier_uniform_(last.weight)
    nn.init.zeros_(last.bias)
    last.weight.data[1::2] = 0
    return nn.Sequential(
        nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU(), last
    )


def relative_depth(depth: Tensor, focal: Tensor, scale: float = 64.0) -> Tensor:
    """Depth, m, over the depth at which a metre covers `scale` px: resizing an image does not
    change it.

    Args:
        depth: (m,) m; focal: (m,) px.
    """
    return depth * scale / focal


def mean_by_object(value: Tensor, group: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Weighted means over the queries of each object.

    Args:
        value: (M, ...); group: (M,) object of a query, in [0, groups); weight: (M,), of positive
            sum in every group.

    Returns:
        (groups, ...).
    """
    share = weight / weight.new_zeros(groups).index_add(0, group, weight)[group]
    share = share.view(-1, *[1] * (value.dim() - 1))
    return value.new_zeros(groups, *value.shape[1:]).index_add(0, group, value * share)
