"""Canonical yaw for classes with 180-degree symmetry, whose labels are otherwise ambiguous."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from mmdet3d.datasets.builder import PIPELINES
from torch import Tensor

from epropnp_det.errors import UserError

from ..boxes import from_mmdet3d, replace_yaw
from ..structures.lidar import LidarPoints
from .nuscenes_classes import HALF_TURN_CLASSES


@PIPELINES.register_module()
class CanonicalizeSymmetricYaw:
    """Turns boxes of classes that a half turn does not change so that they face away from the
    camera: the observation angle lies in [-pi/2, pi/2).

    A broad side seen squarely, the usual view of a barrier, lies in the middle of that range. Place
    it after `LoadLidarPoints`, if that is used.

    Args:
        classes: names, among the classes of the dataset.

    Raises:
        UserError: the dataset has no class of a name.
    """

    def __init__(self, classes: Sequence[str] = HALF_TURN_CLASSES):
        self.classes = tuple(classes)

    def __call__(self, results: dict) -> dict:
        pose, _, _ = from_mmdet3d(results["gt_bboxes_3d"])
        x, _, z, yaw = pose.T
        symmetric = torch.isin(
            torch.from_numpy(results["gt_labels_3d"]), self._labels(results["class_names"])
        )
        chosen = torch.where(symmetric, facing_away(yaw, x, z), yaw)
        moved = dict(results, gt_bboxes_3d=replace_yaw(results["gt_bboxes_3d"], chosen))
        if "lidar_points" in results:
            moved["lidar_points"] = half_turn(results["lidar_points"], chosen != yaw)
        return moved

    def _labels(self, class_names: Sequence[str]) -> Tensor:
        unknown = [name for name in self.classes if name not in class_names]
        if unknown:
            raise UserError(
                f"CanonicalizeSymmetricYaw: the dataset has no class {', '.join(unknown)}; set "
                f"`classes` to names among {', '.join(class_names)}"
            )
        return torch.tensor([class_names.index(name) for name in self.classes], dtype=torch.long)


def observation_angle(yaw: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """Heading against the ray of sight, rad in [-pi, pi), of an object at (x, z) in the camera
    frame; 0 is straight away from the camera.

    Mirroring the image changes its sign.
    """
    return torch.remainder(yaw + torch.atan2(z, x) + math.pi, 2 * math.pi) - math.pi


def facing_away(yaw: Tensor, x: Tensor, z: Tensor) -> Tensor:
    """`yaw`, or yaw half a turn from it, in [-pi, pi): whichever has an observation angle in
    [-pi/2, pi/2).
    """
    angle = observation_angle(yaw, x, z)
    behind = (angle < -math.pi / 2) | (angle >= math.pi / 2)
    return torch.where(behind, torch.remainder(yaw, 2 * math.pi) - math.pi, yaw)


def half_turn(points: LidarPoints, turned: Tensor) -> LidarPoints:
    """The points in the coordinates of objects of which those in `turned` (n,) have been turned by
    pi about their vertical axis.
    """
    objects = points.objects
    sign = 1 - 2 * turned[objects.owner].to(objects.x3d.dtype)
    return replace(
        points,
        objects=replace(
            objects, x3d=objects.x3d * torch.stack((sign, torch.ones_like(sign), sign), 1)
        ),
    )
