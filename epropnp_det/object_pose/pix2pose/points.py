"""From the maps of Pix2Pose to weighted PnP problems."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, SE3Pose

from ..problem import NO_LIMIT, PointSettings, by_cell, cell_pixels
from ..structures import PatchGeometry, PixelMaps

LEAST_POINTS = 6
# Side of a patch in longer sides of the object's box, see `CropSettings`.
_PATCH_SCALE = 1.5


@dataclass(frozen=True)
class PixelPointSettings:
    """How cells of the maps become weighted points.

    Args:
        train_points: most cells for each object and step of training.
        inner: cells of at most this expected error are points (the original's inner threshold).
        independent: the cells of an object weigh as much as so many independent points. Errors of
            neighbours agree: a sum over all cells would make the posterior too sharp.
        robust: kernel of the problem, 'huber', 'cauchy' or 'none'.
        relative_delta: factor of the adaptive threshold of the kernel.
        agreement: largest reprojection error, in cells, of a point that agrees with a pose.
        z_min: [m], see `Camera`.
    """

    train_points: int = 512
    inner: float = 0.15
    independent: int = 32
    robust: str = "huber"
    relative_delta: float = 0.1
    agreement: float = 1.0
    z_min: float = 0.01


def shown_cells(maps: PixelMaps, threshold: float) -> Tensor:
    """(B, 1, h, w) bool: cells of the mask whose expected error is below a threshold."""
    return (maps.mask_logit > 0) & (maps.error < threshold)


def pixel_problem(
    maps: PixelMaps, geometry: PatchGeometry, settings: PixelPointSettings, used: Tensor
) -> PnPProblem:
    """The problem (B,) of the cells that are used (B, 1, h, w).

    A point weighs one over its standard deviation in pixels: that of a cell, and that of the
    expected error. The weights carry no gradient. An object of fewer than six points has none.
    """
    points = _weighted_points(maps, geometry, settings, used)
    limit = torch.full_like(geometry.origin, NO_LIMIT)
    camera = Camera(geometry.matrix, -limit, limit, z_min=settings.z_min)
    return PnPProblem.adaptive(points, camera, settings.relative_delta, settings.robust)


def _weighted_points(
    maps: PixelMaps, geometry: PatchGeometry, settings: PixelPointSettings, used: Tensor
) -> Correspondences:
    cell = geometry.cell(maps.noc.shape[-1])[:, None]
    chosen = by_cell(used)[..., 0]
    number = chosen.sum(1, keepdim=True)
    chosen = chosen & (number >= LEAST_POINTS)
    # The side of the patch follows from the object's largest side, so the focal length and the
    # depth drop out.
    pixels_per_metre = geometry.side / (2 * _PATCH_SCALE * geometry.half_extent.amax(1))
    expected = by_cell(maps.error.detach())[..., 0] * geometry.half_extent.mean(1, keepdim=True)
    deviation = torch.hypot(expected * pixels_per_metre[:, None], cell)
    share = (settings.independent / number.clamp(min=1)).clamp(max=1).sqrt()
    weight = chosen * share / deviation
    x3d = by_cell(maps.noc) * geometry.half_extent[:, None]
    x2d = cell_pixels(maps, geometry, PointSettings())
    return Correspondences(x3d, x2d, weight[..., None].expand_as(x2d), chosen)


def draw_used(used: Tensor, most: int, generator: torch.Generator | None = None) -> Tensor:
    """At most `most` of the cells (B, 1, h, w) that are used, drawn without replacement."""
    flat = used.flatten(1)
    if flat.shape[1] <= most:
        return used
    key = torch.rand(flat.shape, generator=generator, device=flat.device) * flat
    least = key.topk(most, dim=1).values[:, -1:]
    return (flat & (key >= least)).view_as(used)


def consensus(
    problem: PnPProblem,
    pose: Tensor,
    maps: PixelMaps,
    geometry: PatchGeometry,
    settings: PixelPointSettings,
) -> Tensor:
    """Share (B,) of the mask's cells that are points of the problem and agree with poses (B, 7):
    their reprojection error is below `agreement` cells. Zero where there is no such cell.
    """
    seen = problem.camera.each_point().project(SE3Pose.transform(pose, problem.points.x3d))
    error = (seen - problem.points.x2d).norm(dim=-1)
    nearest = settings.agreement * geometry.cell(maps.noc.shape[-1])[:, None]
    agreeing = (problem.points.w2d[..., 0] > 0) & (error < nearest)
    cells = (maps.mask_logit > 0).flatten(1).sum(1)
    return agreeing.sum(1) / cells.clamp(min=1)
