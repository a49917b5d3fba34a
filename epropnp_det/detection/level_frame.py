"""Poses between the frame of a tilted camera and its level frame.

The level frame has the origin and the heading of the camera, and its y axis points down along
gravity. `rotation` (3, 3) takes points of the camera frame to the level frame. A box is upright in
the level frame; yaw and velocity in the camera frame are the x and z components of a heading and a
velocity along the ground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

# Cosine between the optical axis and the ground, below which a camera has no heading.
MIN_HEADING = 1e-3


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


def rotation_of_down(down: Tensor) -> Tensor:
    """Rotation (3, 3) from the frame of a camera to its level frame.

    Args:
        down: (3,) direction of gravity in the camera frame.

    Raises:
        ValueError: the camera points straight up or down and has no heading.
    """
    down = down / down.norm()
    forward = down.new_tensor((0.0, 0.0, 1.0)) - down[2] * down
    if forward.norm() < MIN_HEADING:
        raise ValueError("a camera that points straight up or down has no level frame")
    forward = forward / forward.norm()
    return torch.stack((torch.linalg.cross(down, forward), down, forward))


@dataclass(frozen=True)
class FrameChange:
    """From the frame of a camera to its level frame, or back.

    Args:
        rotation: (..., 3, 3) of points.
        ground: (..., 2, 2) of the x and z components of vectors along the ground.
    """

    rotation: Tensor
    ground: Tensor

    @classmethod
    def from_level(cls, rotation: Tensor) -> FrameChange:
        """From the level frame, for a `rotation` (..., 3, 3) to the level frame."""
        # Vectors along the ground have no y component in the level frame.
        return cls(rotation.mT, rotation.mT[..., ::2, ::2])

    @classmethod
    def to_level(cls, rotation: Tensor) -> FrameChange:
        """The inverse of `from_level`."""
        return cls(rotation, torch.linalg.inv(rotation.mT[..., ::2, ::2]))

    def horizontal(self, vector: Tensor) -> Tensor:
        """x and z components (..., 2) of vectors along the ground; NaN stays NaN."""
        return _product(self.ground, vector)

    def pose(self, pose: Tensor) -> Tensor:
        """Poses (..., 4) x, y, z, yaw [m, rad]; yaw is in [-pi, pi]."""
        heading = self.horizontal(_heading(pose[..., 3]))
        yaw = torch.atan2(-heading[..., 1:], heading[..., :1])
        return torch.cat((_product(self.rotation, pose[..., :3]), yaw), -1)

    def covariance(self, pose: Tensor, covariance: Tensor) -> Tensor:
        """Covariances (..., 4, 4) of poses (..., 4) that are not yet moved, to first order."""
        # A heading h becomes A h: d yaw' / d yaw = det A / |A h|^2.
        heading = self.horizontal(_heading(pose[..., 3]))
        turn = torch.linalg.det(self.ground.to(pose)) / heading.square().sum(-1)
        jacobian = torch.zeros_like(covariance)
        jacobian[..., :3, :3] = self.rotation
        jacobian[..., 3, 3] = turn
        return jacobian @ covariance @ jacobian.mT


def _product(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices (..., n, n) times vectors (..., n), in the precision of the vectors."""
    return (matrix.to(vector) @ vector[..., None])[..., 0]


def _heading(yaw: Tensor) -> Tensor:
    """x and z components (..., 2) of the object's x axis."""
    return torch.stack((yaw.cos(), -yaw.sin()), -1)
