"""The pipeline step that adds LiDAR points to an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmdet3d.datasets.builder import PIPELINES
from torch import Tensor

from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera

from ..structures.lidar import ImagePoints, LidarPoints, ObjectPoints
from . import lidar_files
from .lidar_files import StoredPoints


@PIPELINES.register_module()
class LoadLidarPoints:
    """Adds `lidar_points` (`LidarPoints`) of an image, whose owners count its boxes. Comes right
    after `LoadCameraAnnotations`.

    The other steps move the points with the image. The pixels are those of `results["camera"]`,
    for any of its conventions of pixel centres.

    Args:
        folder: folder of the files that `tools/create_data.py nuscenes --lidar` writes; relative to
            the folder of the images.

    Raises:
        UserError: the file is missing or damaged, or boxes were dropped before this step.
    """

    def __init__(self, folder: str = lidar_files.FOLDER):
        self.folder = folder

    def __call__(self, results: dict) -> dict:
        info = results["img_info"]
        instances = results["ann_info"]["instance_tokens"]
        if len(instances) != len(results["gt_labels_3d"]) or results["flip"]:
            raise UserError(
                "LoadLidarPoints must come before steps that drop boxes or flip: put it right "
                "after LoadCameraAnnotations"
            )
        stored = lidar_files.read_points(
            lidar_files.point_file(Path(results["img_prefix"] or "", self.folder), info["id"])
        )
        x2d = pixels(stored, info["cam_intrinsic"], results["camera"])
        height, width = results["img_shape"][:2]
        return dict(
            results, lidar_points=lidar_points(stored, x2d, instances).inside(width, height)
        )


def pixels(stored: StoredPoints, intrinsic: list, camera: Camera) -> Tensor:
    """Pixels (m, 2) of the points through a camera; they are stored as the intrinsics (3, 3) of the
    file's image put them.
    """
    rays = (
        np.concatenate([stored.x2d, np.ones_like(stored.x2d[:, :1])], axis=1)
        @ np.linalg.inv(intrinsic).T
    )
    points = torch.from_numpy(rays * stored.depth[:, None])
    return camera.each_point().project(points).to(torch.float32)


def lidar_points(stored: StoredPoints, x2d: Tensor, instances: list[str]) -> LidarPoints:
    """The points, those on objects that `instances` does not name left out.

    Args:
        x2d: (m, 2) px.
        instances: token of each box of the image.
    """
    numbers = {token: index for index, token in enumerate(instances)}
    box = np.array([numbers.get(token, -1) for token in stored.instance.tolist()], dtype=np.int64)
    owner = torch.from_numpy(box[stored.owner])
    mine = owner >= 0
    point = torch.from_numpy(stored.point).long()
    objects = ObjectPoints(owner[mine], torch.from_numpy(stored.x3d)[mine], x2d[point][mine])
    return LidarPoints(
        objects,
        ImagePoints(torch.zeros(len(x2d), dtype=torch.long), x2d, torch.from_numpy(stored.depth)),
    )
