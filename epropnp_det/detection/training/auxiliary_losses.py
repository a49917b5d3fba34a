"""Losses of the auxiliary head: reprojection and LiDAR coordinates of the cells of an object, LiDAR
depth of single pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from epropnp_det.errors import UserError
from epropnp_det.losses.mixture import cell_centres
from epropnp_det.losses.projection import projection_error
from epropnp_det.pnp import Camera, YawPose

from ..heads.auxiliary_head import AuxiliaryHead, CellMixtures, Regions, relative_depth
from ..heads.deformable_correspondence import sample_heads
from ..structures.lidar import ImagePoints, LidarPoints, ObjectPoints

# What an error of object coordinates is a share of.
COORDINATE_UNITS = {
    "mean_side": lambda size: size.mean(-1),
    "longest_side": lambda size: size.amax(-1),
}


@dataclass(frozen=True)
class AuxiliaryLosses:
    """The auxiliary loss functions, each with its weight inside; None leaves one out.

    Args:
        head: the auxiliary head.
        projection: mixture NLL of reprojection errors.
        coordinate: of LiDAR object coordinates: `MixtureNLLLoss` with a sigma, or
            `MixtureSmoothL1Loss`.
        depth: mixture NLL of log depths, with a sigma.
        coordinate_unit: errors of coordinates are shares of the true box's "mean_side" or
            "longest_side".
    """

    head: AuxiliaryHead
    projection: nn.Module | None
    coordinate: nn.Module | None
    depth: nn.Module | None
    coordinate_unit: str = "mean_side"

    def __post_init__(self):
        if self.coordinate_unit not in COORDINATE_UNITS:
            raise ValueError(
                f"coordinate_unit must be one of {', '.join(COORDINATE_UNITS)}, not {self.coordinate_unit!r}"
            )

    def __call__(
        self,
        maps: tuple[Tensor, Tensor],
        regions: Regions,
        camera: Camera,
        lidar: LidarPoints | None,
    ) -> dict[str, Tensor]:
        """Losses of a batch.

        Args:
            maps: keys and values, (B, E, H, W).
            regions: G objects; the owners of `lidar.objects` count these.
            camera: batch of B.
            lidar: of the batch; may be None where neither coordinates nor depth are learnt.

        Raises:
            UserError: a loss needs LiDAR points and there are none.
        """
        if lidar is None and (self.coordinate or self.depth):
            raise UserError(
                "the coordinate and depth losses need LiDAR points: add LoadLidarPoints to the pipeline or set the losses to None"
            )
        cells = self.head.cells(*maps, regions) if self.projection or self.coordinate else None
        losses = {}
        if self.projection:
            losses["loss_projection"] = self.projection_loss(cells, regions)
        if self.coordinate:
            losses["loss_coordinate"] = self.coordinate_loss(cells, regions, lidar.objects)
        if self.depth:
            losses["loss_depth"] = self.depth_loss(maps[1], camera, lidar.image)
        return losses

    def projection_loss(self, cells: CellMixtures, regions: Regions) -> Tensor:
        """How far from each cell its predicted point lands, projected at the true pose; a cell may
        belong to any object that covers it.
        """
        x3d = cells.noc * regions.size[:, None, None, None]
        seen = YawPose.transform(regions.truth.pose, x3d.flatten(1, 3))
        pixel = regions.camera.each_point().project(seen).unflatten(1, x3d.shape[1:4])
        difference = pixel - cell_centres(regions.rois, x3d.shape[2:4])[:, None]
        truth, focal = regions.truth, focal_length(regions.camera)
        error = projection_error(difference, truth.pose[:, 2], truth.size, focal)
        return self.projection(error, cells.log_weight, cells.log_std, rois=regions.rois)

    def coordinate_loss(
        self, cells: CellMixtures, regions: Regions, points: ObjectPoints
    ) -> Tensor:
        """Object coordinates of the cells that LiDAR points fall into, towards the mean of those
        points.
        """
        region, row, column, target = mean_by_cell(points, regions.rois, cells.noc.shape[2:4])
        noc, log_weight = (x[region, :, row, column] for x in (cells.noc, cells.log_weight))
        unit = COORDINATE_UNITS[self.coordinate_unit](regions.truth.size)[region]
        error = (noc * regions.size[region, None] - target[:, None]) / unit[:, None, None]
        return self.coordinate(error, log_weight)

    def depth_loss(self, value: Tensor, camera: Camera, points: ImagePoints) -> Tensor:
        """Logarithm of the relative depth of the pixels that LiDAR points fall on."""
        feature = sample_heads(value, points.x2d[:, None, None], points.image, self.head.stride)[
            :, 0, 0
        ]
        predicted, log_weight = self.head.depths(feature)
        target = relative_depth(points.depth, focal_length(camera)[points.image]).log()
        return self.depth((predicted - target[:, None])[..., None], log_weight)


def focal_length(camera: Camera) -> Tensor:
    """(...,) px: geometric mean of the two focal lengths, the same for a mirrored camera."""
    return (camera.matrix[..., 0, 0] * camera.matrix[..., 1, 1]).abs().sqrt()


def mean_by_cell(
    points: ObjectPoints, rois: Tensor, grid: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Object points gathered in the cells of their object's region; points outside it are left out.

    Args:
        points: n points; owners index the regions.
        rois: (G, 5) image index, x1, y1, x2, y2, px.
        grid: rows and columns of a region.

    Returns:
        (c,) region, (c,) row, (c,) column of the cells that hold a point, and (c, 3) the mean of
        their points, m.
    """
    low, high = rois[points.owner, 1:3], rois[points.owner, 3:5]
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
