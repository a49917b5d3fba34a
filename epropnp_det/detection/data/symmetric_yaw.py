"""Classes that a half turn does not change: of two headings that are both right, one has to be
chosen, or none can be learned.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from mmdet3d.datasets.builder import PIPELINES
from torch import Tensor

from ..structures.lidar import LidarPoints
from .nuscenes_classes import CLASSES

# The devkit counts the heading of barriers modulo pi, and that of cones not at all.
HALF_TURN_CLASSES = ("traffic_cone", "barrier")


@PIPELINES.register_module()
class CanonicalizeSymmetricYaw:
    """Turns boxes of classes that a half turn does not change so that they face away from the
    camera: the observation angle lies in [-pi/2, pi/2).

    A broad side seen squarely, as barriers are as a rule, lies in the middle of that range. After
    `LoadLidarPoints`, if that is used.

    Args:
        classes: names.

    Raises:
        ValueError: a name is not one of nuScenes' ten.
    """

    def __init__(self, classes: tuple[str, ...] = HALF_TURN_CLASSES):
        self.labels = torch.tensor([CLASSES.index(name) for name in classes])

    def __call__(self, results: dict) -> dict:
        boxes = results["gt_bboxes_3d"]
        x, z, yaw = boxes.tensor[:, [0, 2, 6]].T
        symmetric = torch.isin(torch.from_numpy(results["gt_labels_3d"]), self.labels)
        chosen = torch.where(symmetric, facing_away(yaw, x, z), yaw)
        moved = boxes.tensor.clone()
        moved[:, 6] = chosen
        points = (
            {"lidar_points": half_turn(results["lidar_points"], chosen != yaw)}
            if "lidar_points" in results
            else {}
        )
        return dict(results, gt_bboxes_3d=boxes.new_box(moved), **points)


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
