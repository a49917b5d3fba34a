"""4DoF poses: a translation and a yaw."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .._linalg import identity
from ..proposals.von_mises import VonMisesUniform
from .base import PoseSpace, _mean_translation


class YawPose(PoseSpace):
    """4DoF poses (..., 4) = (x, y, z, yaw), metres and radians, object to camera frame (x right, y
    down, z forward).

    R = R_y(yaw) = [[c, 0, s], [0, 1, 0], [-s, 0, c]] and X_camera = R X_object + (x, y, z). Yaw is
    not wrapped. The tangent is the difference of pose vectors, so it has 4 dims as well.
    """

    dim = 4
    tangent_dim = 4
    min_point_rank = 1
    # As the released detectors.
    start_candidates = 1
    orientation = VonMisesUniform

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        cos = pose[..., 3].cos()
        sin = pose[..., 3].sin()
        zero = torch.zeros_like(cos)
        one = torch.ones_like(cos)
        rows = (cos, zero, sin, zero, one, zero, -sin, zero, cos)
        return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))

    @staticmethod
    def split(pose: Tensor) -> tuple[Tensor, Tensor]:
        return pose[..., :3], pose[..., 3]

    @staticmethod
    def join(translation: Tensor, orientation: Tensor) -> Tensor:
        return torch.cat((translation, orientation[..., None]), dim=-1)

    @staticmethod
    def pull_back_jacobian(arm: Tensor, gradient: Tensor) -> Tensor:
        # dR/dyaw X = e_y x (R X) = (z, 0, -x) of the rotated point.
        yaw = gradient[..., 0, :, :] * arm[..., 2:, :] - gradient[..., 2, :, :] * arm[..., :1, :]
        return torch.cat((gradient, yaw[..., None, :, :]), dim=-3)

    @staticmethod
    def retract(pose: Tensor, tangent: Tensor) -> Tensor:
        return pose + tangent

    @staticmethod
    def difference(origin: Tensor, pose: Tensor) -> Tensor:
        """The yaw of the result lies within [-pi, pi]."""
        change = pose - origin
        yaw = torch.atan2(change[..., 3:].sin(), change[..., 3:].cos())
        return torch.cat((change[..., :3], yaw), dim=-1)

    @staticmethod
    def difference_jacobian(origin: Tensor, pose: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(origin.shape, pose.shape)
        return identity(pose.new_empty(4, 4)).expand(*shape[:-1], 4, 4)

    @staticmethod
    def displacement(origin: Tensor, pose: Tensor) -> Tensor:
        x, y, z, yaw = YawPose.difference(origin, pose).unbind(-1)
        zero = torch.zeros_like(yaw)
        return torch.stack((x, y, z, zero, yaw, zero), dim=-1)

    @staticmethod
    def log_volume(tangent: Tensor) -> Tensor:
        return torch.zeros_like(tangent[..., 0])

    @staticmethod
    def angle_cosine(first: Tensor, second: Tensor) -> Tensor:
        return (first[..., 3] - second[..., 3]).cos()

    @staticmethod
    def mirror(pose: Tensor) -> Tensor:
        """(-x, y, z, pi - yaw): the pose in the mirrored world x -> -x. Object points mirror by z
        -> -z.
        """
        x, y, z, yaw = pose.unbind(-1)
        return torch.stack((-x, y, z, math.pi - yaw), dim=-1)

    @staticmethod
    def inverse(pose: Tensor) -> Tensor:
        return torch.cat((YawPose.camera_centre(pose), -pose[..., 3:]), dim=-1)

    @staticmethod
    def axes(like: Tensor) -> Tensor:
        return identity(like.new_empty(3, 3))[1:2]

    @staticmethod
    def mean(pose: Tensor, weight: Tensor) -> Tensor:
        """The yaw of the result is the mean direction."""
        yaw = torch.atan2(
            (weight * pose[..., 3].sin()).sum(0), (weight * pose[..., 3].cos()).sum(0)
        )
        return YawPose.join(_mean_translation(pose, weight), yaw)

    @staticmethod
    def is_valid(pose: Tensor) -> Tensor:
        return pose.isfinite().all(-1)

    @staticmethod
    def identity(like: Tensor) -> Tensor:
        return like.new_zeros(4)

    @staticmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Poses (*shape, 4) at the origin with yaw uniform in [-pi, pi)."""
        yaw = (
            2 * torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device) - 1
        ) * math.pi
        return torch.cat((yaw.new_zeros(*shape, 3), yaw[..., None]), dim=-1)
