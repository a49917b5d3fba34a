"""Losses of the auxiliary head: reprojection and LiDAR coordinates of the cells of an object, LiDAR
depth of single pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from epropnp_det.errors import UserError
from epropnp_det.losses.mixture import cell_centres
from epropnp_det.losses.projection import projection_error
from epropnp_det.pnp import Camera, YawPose

from ..heads.auxiliary_head import (
    COORDINATE_UNITS,
    AuxiliaryHead,
    CellMixtures,
    Regions,
    relative_depth,
)
from ..heads.deformable_correspondence import sample_heads
from ..structures.lidar import ImagePoints, LidarPoints, ObjectPoints


def auxiliary_losses(
    losses: nn.ModuleDict,
    head: AuxiliaryHead,
    maps: tuple[Tensor, Tensor],
    regions: Regions,
    camera: Camera,
    lidar: LidarPoints | None,
) -> dict[str, Tensor]:
    """Losses of a batch, each (); those that are absent from `losses` are left out.

    Args:
        losses: `projection`, mixture NLL of reprojection errors; `coordinate`, of LiDAR object
            coordinates: `MixtureNLLLoss` with a sigma, or `MixtureSmoothL1Loss`; `depth`, mixture
            NLL of log depths, with a sigma.
        head: the auxiliary head.
        maps: keys and values, (B, E, H, W).
        regions: G objects; the owners of `lidar.objects` count these.
        camera: batch of B.
        lidar: points of the batch; may be None where neither coordinates nor depth are learnt.

    Raises:
        UserError: a loss needs LiDAR points and there are none.
    """
    values = {}
    if "projection" in losses or "coordinate" in losses:
        cells = head.cells(*maps, regions)
    if "projection" in losses:
        values["loss_projection"] = projection_loss(losses["projection"], cells, regions)
    if "coordinate" in losses:
        unit = head.settings.coordinate_unit
        values["loss_coordinate"] = coordinate_loss(
            losses["coordinate"], cells, regions, _require(lidar).objects, unit
        )
    if "depth" in losses:
        seen = _require(lidar).image
        values["loss_depth"] = depth_loss(losses["depth"], head, maps[1], camera, seen)
    return values


def _require(lidar: LidarPoints | None) -> LidarPoints:
    if lidar is None:
        raise UserError(
            "the coordinate and depth losses need LiDAR points: add LoadLidarPoints to the "
            "pipeline or set the losses to None"
        )
    return lidar


def projection_loss(loss: nn.Module, cells: CellMixtures, regions: Regions) -> Tensor:
    """Distance from each cell to its predicted point, projected at the true pose; a cell may belong
    to any object that covers it.
    """
    gt = regions.gt
    x3d = cells.noc * regions.size[:, None, None, None]
    seen = YawPose.transform(gt.pose, x3d.flatten(1, 3))
    pixel = regions.camera.each_point().project(seen).unflatten(1, x3d.shape[1:4])
    difference = pixel - cell_centres(regions.rois, x3d.shape[2:4])[:, None]
    error = projection_error(difference, gt.pose[:, 2], gt.size, focal_length(regions.camera))
    return loss(error, cells.log_weight, cells.log_std, rois=regions.rois)


def coordinate_loss(
    loss: nn.Module, cells: CellMixtures, regions: Regions, points: ObjectPoints, unit: str
) -> Tensor:
    """Object coordinates of the cells that LiDAR points fall into, towards the mean of those
    points, in shares of the length that `unit` names.
    """
    region, row, column, target = mean_by_cell(points, regions.rois, cells.noc.shape[2:4])
    x3d = cells.noc[region, :, row, column] * regions.size[region, None]
    length = COORDINATE_UNITS[unit](regions.gt.size)[region]
    error = (x3d - target[:, None]) / length[:, None, None]
    return loss(error, cells.log_weight[region, :, row, column])


def depth_loss(
    loss: nn.Module, head: AuxiliaryHead, value: Tensor, camera: Camera, points: ImagePoints
) -> Tensor:
    """Logarithm of the relative depth of the pixels that LiDAR points fall on."""
    sampled = sample_heads(value, points.x2d[:, None, None], points.image, head.stride)
    predicted, log_weight = head.depths(sampled[:, 0, 0])
    target = relative_depth(points.depth, focal_length(camera)[points.image]).log()
    return loss((predicted - target[:, None])[..., None], log_weight)


def focal_length(camera: Camera) -> Tensor:
    """(...,) px: geometric mean of the two focal lengths, the same for a mirrored or tilted
    camera.
    """
    # A rotation or mirroring in the matrix leaves the magnitude of its determinant, fx fy.
    first, second, third = camera.matrix.unbind(-2)
    return (first * torch.linalg.cross(second, third)).sum(-1).abs().sqrt()


def mean_by_cell(
    points: ObjectPoints, rois: Tensor, grid: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean object points in the cells of their object's region; points outside it are left out.

    Args:
        points: n points; owners index the regions.
        rois: (G, 5) image index, x1, y1, x2, y2, px.
        grid: rows and columns of a region.

    Returns:
        (c,) region, (c,) row, (c,) column of the cells that hold a point, and (c, 3) the mean of
        their points, m.
    """
    low = rois[points.owner, 1:3]
    high = rois[points.owner, 3:5]
    cell = ((points.x2d - low) / (high - low) * rois.new_tensor(grid[::-1])).floor().long()
    inside = ((cell >= 0) & (cell < cell.new_tensor(grid[::-1]))).all(-1)
    index = (points.owner * grid[0] + cell[:, 1]) * grid[1] + cell[:, 0]
    occupied, slot = index[inside].unique(return_inverse=True)
    total = points.x3d.new_zeros(len(occupied), 3).index_add(0, slot, points.x3d[inside])
    number = slot.bincount(minlength=len(occupied))
    row = occupied.div(grid[1], rounding_mode="floor")
    return (
        row.div(grid[0], rounding_mode="floor"),
        row % grid[0],
        occupied % grid[1],
        total / number[:, None],
    )
