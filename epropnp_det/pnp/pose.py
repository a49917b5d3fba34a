"""Pose spaces: how a pose vector acts on points, moves along a tangent and mirrors.

Everything else in the package sees a pose only through these functions, so a further pose space is one more class
here and one more entry of `pose_space`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .records import full_precision


class YawPose:
    """4DoF poses (..., 4) = (x, y, z, yaw), metres and radians, object to camera frame (x right, y down, z forward).

    R = R_y(yaw) = [[c, 0, s], [0, 1, 0], [-s, 0, c]] and X_camera = R X_object + (x, y, z). Yaw is not wrapped.
    The tangent is the difference of pose vectors, so it has 4 dims as well.
    """

    dim = 4
    tangent_dim = 4

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        """Rotation matrices (..., 3, 3) of poses (..., 4)."""
        cos, sin = pose[..., 3].cos(), pose[..., 3].sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rows = (cos, zero, sin, zero, one, zero, -sin, zero, cos)
        return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))

    @staticmethod
    def matrix(pose: Tensor) -> Tensor:
        """[R | t] (..., 3, 4) of poses (..., 4)."""
        return torch.cat((YawPose.rotation(pose), pose[..., :3, None]), dim=-1)

    @staticmethod
    @full_precision
    def transform(pose: Tensor, xyz: Tensor) -> Tensor:
        """Object points (..., N, 3) in the camera frame (..., N, 3), metres."""
        return xyz @ YawPose.rotation(pose).mT + pose[..., None, :3]

    @staticmethod
    def chain(arm: Tensor, gradient: Tensor) -> Tensor:
        """From derivatives with respect to points in the camera frame to derivatives in the tangent of the pose.

        Args:
            arm: rotated object points R X, (..., 3, N).
            gradient: transposed derivatives, (..., 3, M, N).

        Returns:
            (..., 4, M, N).
        """
        # dR/dyaw X = e_y x (R X) = (z, 0, -x) of the rotated point.
        yaw = gradient[..., 0, :, :] * arm[..., 2:, :] - gradient[..., 2, :, :] * arm[..., :1, :]
        return torch.cat((gradient, yaw[..., None, :, :]), dim=-3)

    @staticmethod
    def retract(pose: Tensor, tangent: Tensor) -> Tensor:
        """The pose (..., 4) reached from `pose` along `tangent` (..., 4)."""
        return pose + tangent

    @staticmethod
    @full_precision
    def move_origin(pose: Tensor, offset: Tensor) -> Tensor:
        """Pose of the frame whose origin lies at `offset` (..., 3), in object coordinates: t + R offset."""
        shift = (YawPose.rotation(pose) @ offset[..., None])[..., 0]
        return torch.cat((pose[..., :3] + shift, pose[..., 3:]), dim=-1)

    @staticmethod
    def mirror(pose: Tensor) -> Tensor:
        """Pose in the mirrored world x -> -x: (-x, y, z, pi - yaw). Object points mirror by z -> -z."""
        x, y, z, yaw = pose.unbind(-1)
        return torch.stack((-x, y, z, math.pi - yaw), dim=-1)

    @staticmethod
    def random_rotation(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Poses (*shape, 4) at the origin with yaw uniform in [-pi, pi)."""
        yaw = (2 * torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device) - 1) * math.pi
        return torch.cat((yaw.new_zeros(*shape, 3), yaw[..., None]), dim=-1)


def pose_space(pose: Tensor) -> type[YawPose]:
    """The pose space of a tensor (..., D), told by D.

    Raises:
        ValueError: no pose space has D numbers.
    """
    if pose.shape[-1:] != (YawPose.dim,):
        raise ValueError(f"a pose has 4 numbers (x, y, z, yaw) in its last dim, not shape {tuple(pose.shape)}")
    return YawPose
