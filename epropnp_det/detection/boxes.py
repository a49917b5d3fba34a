"""3D boxes in the camera frame: the one type, corners, projections, and mmdet3d's form.

This is the only file that contains mmdet3d's boxes, which are stored by their bottom centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from torch import Tensor

from epropnp_det.calibration.regions import regions
from epropnp_det.pnp import Camera, Correspondences, YawPose
from epropnp_det.posterior.ranking import Region

from .level_frame import FrameChange
from .structures.tensor_record import TensorRecord

MMDET3D_BOXES = CameraInstance3DBoxes

# Corners of the unit box: the first four have x = -0.5 (rear), the last four x = +0.5 (front); both
# faces run around the object in the same order.
UNIT_CORNERS = (
    (-0.5, -0.5, -0.5),
    (-0.5, -0.5, 0.5),
    (-0.5, 0.5, 0.5),
    (-0.5, 0.5, -0.5),
    (0.5, -0.5, -0.5),
    (0.5, -0.5, 0.5),
    (0.5, 0.5, 0.5),
    (0.5, 0.5, -0.5),
)


@dataclass(frozen=True)
class Boxes3D(TensorRecord):
    """n boxes in the camera frame of an image: detections (best first) or ground truth.

    Args:
        pose: (n, 4) x, y, z of the gravity centre, yaw; m, rad.
        size: (n, 3) l, h, w, m.
        label: (n,) index into the class names of the dataset.
        velocity: (n, 2) vx, vz, m/s; NaN where unknown.
        attribute: (n,) index into the attributes of the dataset.
        score: (n,) of detections.
        covariance: (n, 4, 4) of the pose.
        sample_pose: (n, S, 4) weighted samples of the pose distributions.
        sample_weight: (n, S), each row sums to one; NaN where a distribution is degenerate.
        level_rotation: (n, 3, 3) of detections of a tilted camera, from its frame to its level
            frame; None for a level camera.
        points: (n, P) of detections with samples: x3d in the object frame [m], x2d [px], w2d
            [1/px]. `inference.detect` gives x2d in the given image, without lens distortion.
    """

    pose: Tensor
    size: Tensor
    label: Tensor
    velocity: Tensor | None = None
    attribute: Tensor | None = None
    score: Tensor | None = None
    covariance: Tensor | None = None
    sample_pose: Tensor | None = None
    sample_weight: Tensor | None = None
    level_rotation: Tensor | None = None
    points: Correspondences | None = None
    temperature: Tensor | None = None
    conformal_levels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.label)

    def in_level_frame(self) -> Boxes3D:
        """The boxes in the level frame of their camera; of a level camera they are the same."""
        if self.level_rotation is None:
            return self
        return replace(_moved(self, FrameChange.to_level(self.level_rotation)), level_rotation=None)

    def region(
        self, probability: float, quantity: str = "position", kind: str | None = None
    ) -> list[Region | None]:
        """The smallest region of this probability for each box, in the level frame of the camera;
        None where a distribution is degenerate.

        Args:
            probability: in (0, 1).
            quantity: 'yaw', 'position' (x, z), 'depth' or 'pose'.
            kind: 'conformal' or 'credible', see `epropnp_det.calibration.regions`; None: conformal
                where the checkpoint is calibrated.

        Raises:
            ValueError: no samples, an unknown name, or conformal regions without a calibration.
        """
        level = self.in_level_frame()
        samples = (level.sample_pose, level.sample_weight, level.conformal_levels)
        return regions(*samples, probability, quantity, kind)

    def require(self, name: str) -> Tensor:
        """A value that only some boxes have, such as the score of detections.

        Raises:
            ValueError: these boxes come without it.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"boxes without {name!r}; detections carry it, ground truth does not")
        return value


def in_camera_frame(boxes: Boxes3D, img_meta: dict[str, Any]) -> Boxes3D:
    """Detections in the level frame of a camera, brought to the frame of the camera; see
    `level_frame` for yaw and velocity in the frame of a tilted camera.

    Args:
        img_meta: meta of the image; a tilted camera has `level_rotation` (3, 3) there.
    """
    level_rotation = torch.as_tensor(img_meta.get("level_rotation", np.eye(3)))
    if torch.equal(level_rotation, torch.eye(3).to(level_rotation)):
        return boxes
    rotation = level_rotation.to(boxes.pose).expand(len(boxes), 3, 3)
    return replace(_moved(boxes, FrameChange.from_level(rotation)), level_rotation=rotation)


def _moved(boxes: Boxes3D, change: FrameChange) -> Boxes3D:
    """Position, yaw, velocity, covariance and samples after a change of the frame (n,)."""
    moved: dict[str, Any] = dict(pose=change.pose(boxes.pose))
    if boxes.velocity is not None:
        moved["velocity"] = change.horizontal(boxes.velocity)
    if boxes.covariance is not None:
        moved["covariance"] = change.covariance(boxes.pose, boxes.covariance)
    if boxes.sample_pose is not None:
        each_sample = FrameChange(change.rotation[:, None], change.ground[:, None])
        moved["sample_pose"] = each_sample.pose(boxes.sample_pose)
    return replace(boxes, **moved)


def from_mmdet3d(boxes: CameraInstance3DBoxes) -> tuple[Tensor, Tensor, Tensor]:
    """mmdet3d boxes (bottom centre) -> pose (n, 4), size (n, 3), velocity (n, 2); velocities are
    NaN where the boxes carry none.
    """
    tensor = boxes.tensor
    pose = torch.cat((boxes.gravity_center, tensor[:, 6:7]), 1)
    velocity = (
        tensor[:, 7:9] if tensor.shape[1] >= 9 else tensor.new_full((len(tensor), 2), torch.nan)
    )
    return pose, tensor[:, 3:6], velocity


def to_mmdet3d(pose: Tensor, size: Tensor, velocity: Tensor) -> CameraInstance3DBoxes:
    """The inverse of `from_mmdet3d`."""
    return CameraInstance3DBoxes(
        torch.cat((pose[:, :3], size, pose[:, 3:], velocity), 1), box_dim=9, origin=(0.5, 0.5, 0.5)
    )


def boxes_to_level(boxes: CameraInstance3DBoxes, rotation: Tensor) -> CameraInstance3DBoxes:
    """mmdet3d's boxes (n, 9) of the camera frame in the level frame; rotation (3, 3)."""
    pose, size, velocity = from_mmdet3d(boxes)
    change = FrameChange.to_level(rotation)
    return to_mmdet3d(change.pose(pose), size, change.horizontal(velocity))


def mirror_boxes(boxes: CameraInstance3DBoxes) -> CameraInstance3DBoxes:
    """The boxes (n, 9) of the world mirrored at the camera's y-z plane. Yaw ends up in [-pi, pi);
    NaN velocity stays NaN.
    """
    x, others, yaw, vx, vz = boxes.tensor.split([1, 5, 1, 1, 1], dim=1)
    mirrored_yaw = torch.remainder(2 * math.pi - yaw, 2 * math.pi) - math.pi
    return boxes.new_box(torch.cat([-x, others, mirrored_yaw, -vx, vz], dim=1))


def replace_yaw(boxes: CameraInstance3DBoxes, yaw: Tensor) -> CameraInstance3DBoxes:
    """The boxes with another yaw (n,), rad; all else is equal to the bit."""
    tensor = boxes.tensor.clone()
    tensor[:, 6] = yaw
    return boxes.new_box(tensor)


def without_unknown_velocity(boxes: CameraInstance3DBoxes) -> CameraInstance3DBoxes:
    """The boxes with zero in place of an unknown velocity, as mmdet3d's heads expect."""
    tensor = boxes.tensor.clone()
    tensor[:, 7:] = tensor[:, 7:].nan_to_num(nan=0.0)
    return boxes.new_box(tensor)


def from_mmdet3d_result(result: dict) -> Boxes3D:
    """Detections from a result of mmdet3d's detectors: `boxes_3d`, `labels_3d`, `scores_3d`,
    `attrs_3d`.
    """
    pose, size, velocity = from_mmdet3d(result["boxes_3d"])
    return Boxes3D(
        pose,
        size,
        result["labels_3d"],
        velocity=velocity,
        attribute=result["attrs_3d"],
        score=result["scores_3d"],
    )


def corners(pose: Tensor, size: Tensor) -> Tensor:
    """(..., 4), (..., 3) -> (..., 8, 3) corners in the camera frame, m, in the order of
    `UNIT_CORNERS`.
    """
    unit = pose.new_tensor(UNIT_CORNERS)
    return (unit * size[..., None, :]) @ YawPose.rotation(pose).mT + pose[..., None, :3]


def projected_boxes(pose: Tensor, size: Tensor, camera: Camera, image_size: Tensor) -> Tensor:
    """Bounding boxes of the projected corners, clipped to the image.

    Args:
        pose, size: (n, 4), (n, 3).
        camera: batch of n.
        image_size: (n, 2) width and height of the image, px.

    Returns:
        (n, 4) left, top, right, bottom, px.
    """
    pixels = camera[:, None].project(corners(pose, size))
    low = pixels.amin(1)
    high = pixels.amax(1)
    zero = torch.zeros_like(image_size)
    return torch.cat((low.clamp(zero, image_size), high.clamp(zero, image_size)), 1)
