"""Boxes between the frame of a tilted camera and its level frame.

The level frame has the origin and the heading of the camera, and its y axis points down along
gravity. `rotation` (3, 3) takes points of the camera frame to the level frame. A box is upright in
the level frame; yaw and velocity in the camera frame are the x and z components of a heading and a
velocity along the ground.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .boxes import MMDET3D_BOXES, from_mmdet3d, to_mmdet3d


def rotation_of_tilt(pitch: float, roll: float) -> Tensor:
    """Rotation (3, 3) from the frame of a camera to its level frame, float64.

    Args:
        pitch: degrees by which the optical axis points above the horizon.
        roll: degrees by which the camera is turned clockwise about its optical axis, seen from
            behind it.
    """
    cos_p = math.cos(math.radians(pitch))
    sin_p = math.sin(math.radians(pitch))
    cos_r = math.cos(math.radians(roll))
    sin_r = math.sin(math.radians(roll))
    about_x = torch.tensor([[1, 0, 0], [0, cos_p, -sin_p], [0, sin_p, cos_p]], dtype=torch.float64)
    about_z = torch.tensor([[cos_r, -sin_r, 0], [sin_r, cos_r, 0], [0, 0, 1]], dtype=torch.float64)
    return about_x @ about_z


def horizontal_to_level(vector: Tensor, rotation: Tensor) -> Tensor:
    """x and z components (..., 2) in the camera frame -> (..., 2) in the level frame, of vectors
    along the ground. NaN stays NaN.
    """
    rotation = rotation.to(vector)
    x, z = vector.unbind(-1)
    y = -(rotation[1, 0] * x + rotation[1, 2] * z) / rotation[1, 1]
    return (torch.stack((x, y, z), -1) @ rotation.mT)[..., ::2]


def horizontal_from_level(vector: Tensor, rotation: Tensor) -> Tensor:
    """The inverse of `horizontal_to_level`."""
    x, z = vector.unbind(-1)
    return (torch.stack((x, torch.zeros_like(x), z), -1) @ rotation.to(vector))[..., ::2]


def pose_to_level(pose: Tensor, rotation: Tensor) -> Tensor:
    """Poses (..., 4) x, y, z, yaw in the camera frame -> (..., 4) in the level frame."""
    heading = horizontal_to_level(_heading(pose[..., 3]), rotation)
    return torch.cat((pose[..., :3] @ rotation.to(pose).mT, _yaw(heading)), -1)


def pose_from_level(pose: Tensor, rotation: Tensor) -> Tensor:
    """The inverse of `pose_to_level`, yaw up to whole turns."""
    heading = horizontal_from_level(_heading(pose[..., 3]), rotation)
    return torch.cat((pose[..., :3] @ rotation.to(pose), _yaw(heading)), -1)


def boxes_to_level(boxes: MMDET3D_BOXES, rotation: Tensor) -> MMDET3D_BOXES:
    """mmdet3d's boxes (n, 9) of the camera frame in the level frame."""
    pose, size, velocity = from_mmdet3d(boxes)
    return to_mmdet3d(pose_to_level(pose, rotation), size, horizontal_to_level(velocity, rotation))


def _heading(yaw: Tensor) -> Tensor:
    """x and z components (..., 2) of the object's x axis."""
    return torch.stack((yaw.cos(), -yaw.sin()), -1)


def _yaw(heading: Tensor) -> Tensor:
    """Yaw (..., 1) of headings (..., 2)."""
    return torch.atan2(-heading[..., 1:], heading[..., :1])
