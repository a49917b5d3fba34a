"""From the maps of the network to weighted PnP problems."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem

from .heads import V2_LOG_SCALE
from .structures import CorrespondenceMaps, PatchGeometry, PixelMaps

WEIGHT_RULES = ("v1", "v2", "fixed_scale", "exponential", "mask")
# Of the weights with the rule 'fixed_scale': where that of the released v2 model begins.
FIXED_SCALE = math.exp(V2_LOG_SCALE)
# [px]; clamps nothing that a camera sees.
NO_LIMIT = 1e6


@dataclass(frozen=True)
class PointSettings:
    """How cells of the maps become weighted points.

    Args:
        train_points: cells drawn for each object and step of training. A test takes all.
        weight_rule: 'v2': softmax over the points, times scale over the cell's width [px]; 'v1':
            exp(logit - mean logit - log N), times scale; 'fixed_scale': as v2 with `FIXED_SCALE`,
            for losses of the solution alone, which does not depend on the scale: a learnt one
            diverges; 'exponential': exp(logit) / N, times scale over the cell's width, without the
            softmax's denominator; 'mask': one over the cell's width where the mean of the two
            logits is positive, else 0.
        cell_offset: where the point of a cell lies in it, in cells: 0.5 its centre, 0 its upper
            left corner as in the released programs.
        match_train_weights: multiply the weights of a test of N points by sqrt(N / train_points).
            The weights sum to the scale, whatever N is, so that without it the posterior of a test
            is N / train_points times too flat in its inverse covariance. The released programs do
            without.
        relative_delta: factor of the adaptive Huber threshold.
        border_cells: in training, projections are clamped to the points' square grown by so many
            cells. In a test they are not.
        z_min: [m], see `Camera`.

    Raises:
        ValueError: no weight rule of that name, or fewer than four points.
    """

    train_points: int = 512
    weight_rule: str = "v2"
    cell_offset: float = 0.5
    match_train_weights: bool = True
    relative_delta: float = 0.1
    border_cells: float = 30.0
    z_min: float = 0.01

    def __post_init__(self) -> None:
        if self.weight_rule not in WEIGHT_RULES:
            raise ValueError(
                f"points: unknown weight_rule {self.weight_rule!r}; use one of {WEIGHT_RULES}"
            )
        if self.train_points < 4:
            raise ValueError(f"points: train_points must be >= 4, not {self.train_points}")


def draw_cells(
    maps: CorrespondenceMaps, number: int, generator: torch.Generator | None = None
) -> Tensor:
    """Indices (B, min(number, h w)) of cells in row-major order, drawn without replacement."""
    batch, _, *grid = maps.noc.shape
    cells = grid[0] * grid[1]
    key = torch.rand(batch, cells, generator=generator, device=maps.noc.device)
    return key.topk(min(number, cells), dim=1).indices


def problem_of_drawn_cells(
    maps: CorrespondenceMaps, geometry: PatchGeometry, settings: PointSettings, drawn: Tensor
) -> PnPProblem:
    """The problem (B,) of the cells drawn (B, N), with limits around the patch: its cost is
    Eq. (11), with the kernel of Eq. (12).

    The softmax of the weights is over the cells drawn.
    """
    x2d = cell_pixels(maps, geometry, settings)
    border = settings.border_cells * geometry.cell(maps.noc.shape[-1])[:, None]
    camera = Camera(
        geometry.matrix, x2d.amin(1) - border, x2d.amax(1) + border, z_min=settings.z_min
    )
    noc, logit, x2d = (
        values.gather(1, drawn[..., None].expand(-1, -1, values.shape[-1]))
        for values in (by_cell(maps.noc), by_cell(maps.logit), x2d)
    )
    weight = point_weights(logit, maps.scale, geometry.cell(maps.noc.shape[-1]), settings)
    points = Correspondences(noc * geometry.half_extent[:, None], x2d, weight)
    return PnPProblem.adaptive(points, camera, settings.relative_delta)


def problem_of_all_cells(
    maps: CorrespondenceMaps, geometry: PatchGeometry, settings: PointSettings
) -> PnPProblem:
    """The problem (B,) of all cells, without limits: Eq. (11), with the kernel of Eq. (12)."""
    limit = torch.full_like(geometry.origin, NO_LIMIT)
    camera = Camera(geometry.matrix, -limit, limit, z_min=settings.z_min)
    cell = geometry.cell(maps.noc.shape[-1])
    weight = point_weights(by_cell(maps.logit), maps.scale, cell, settings)
    if settings.match_train_weights:
        number = weight.shape[1]
        weight = weight * (number / min(settings.train_points, number)) ** 0.5
    x3d = by_cell(maps.noc) * geometry.half_extent[:, None]
    points = Correspondences(x3d, cell_pixels(maps, geometry, settings), weight)
    return PnPProblem.adaptive(points, camera, settings.relative_delta)


def by_cell(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h w, C), row-major."""
    return maps.flatten(2).mT


def cell_pixels(
    maps: CorrespondenceMaps | PixelMaps, geometry: PatchGeometry, settings: PointSettings
) -> Tensor:
    """Image points (B, h w, 2) x, y [px] of all cells, row-major."""
    rows, columns = maps.noc.shape[-2:]
    y, x = torch.meshgrid(
        torch.arange(rows, device=maps.noc.device),
        torch.arange(columns, device=maps.noc.device),
        indexing="ij",
    )
    place = torch.stack((x.flatten(), y.flatten()), dim=-1) + settings.cell_offset
    return geometry.origin[:, None] + place * geometry.cell(columns)[:, None, None]


def point_weights(logit: Tensor, scale: Tensor, cell: Tensor, settings: PointSettings) -> Tensor:
    """Weights w2d (B, N, 2) [1/px] of N points, as in Section 4.1: a softmax and a global scale.

    Args:
        logit: (B, N, 2).
        scale: (B, 2).
        cell: (B,) width of a cell [px].
    """
    number = logit.shape[1]
    per_pixel = (scale / cell[:, None])[:, None]
    match settings.weight_rule:
        case "v2":
            return logit.softmax(1) * per_pixel
        case "fixed_scale":
            return logit.softmax(1) * (FIXED_SCALE / cell[:, None, None])
        case "exponential":
            return logit.exp() / number * per_pixel
        case "mask":
            shown = logit.mean(-1, keepdim=True) > 0
            return (shown / cell[:, None, None]).expand_as(logit)
    # v1. The mean weight is 1/N for equal logits only: the sum is not held at the scale.
    return (logit - logit.mean(1, keepdim=True)).exp() * (scale / number)[:, None]
