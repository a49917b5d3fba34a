"""The pose spaces: how a pose vector acts on points, moves along a tangent and mirrors.

Everything else in the package sees a pose only through these functions, so a further pose space is one more class
here and one more entry of `SPACES`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from . import quaternion
from .linalg import identity
from .proposals import AngularCentralGaussian, VonMisesUniform
from .records import full_precision
from .space import PoseSpace


class YawPose(PoseSpace):
    """4DoF poses (..., 4) = (x, y, z, yaw), metres and radians, object to camera frame (x right, y down, z forward).

    R = R_y(yaw) = [[c, 0, s], [0, 1, 0], [-s, 0, c]] and X_camera = R X_object + (x, y, z). Yaw is not wrapped.
    The tangent is the difference of pose vectors, so it has 4 dims as well.
    """

    dim = 4
    tangent_dim = 4
    span = 1
    orientation = VonMisesUniform

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        cos, sin = pose[..., 3].cos(), pose[..., 3].sin()
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rows = (cos, zero, sin, zero, one, zero, -sin, zero, cos)
        return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))

    @staticmethod
    def split(pose: Tensor) -> tuple[Tensor, Tensor]:
        return pose[..., :3], pose[..., 3]

    @staticmethod
    def join(translation: Tensor, orientation: Tensor) -> Tensor:
        return torch.cat((translation, orientation[..., None]), dim=-1)

    @staticmethod
    def chain(arm: Tensor, gradient: Tensor) -> Tensor:
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
    def log_volume(tangent: Tensor) -> Tensor:
        return torch.zeros_like(tangent[..., 0])

    @staticmethod
    def mirror(pose: Tensor) -> Tensor:
        """(-x, y, z, pi - yaw): the pose in the mirrored world x -> -x. Object points mirror by z -> -z."""
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
        yaw = torch.atan2((weight * pose[..., 3].sin()).sum(0), (weight * pose[..., 3].cos()).sum(0))
        return YawPose.join(_mean_translation(pose, weight), yaw)

    @staticmethod
    def exists(pose: Tensor) -> Tensor:
        return pose.isfinite().all(-1)

    @staticmethod
    def identity(like: Tensor) -> Tensor:
        return like.new_zeros(4)

    @staticmethod
    def random_rotation(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Poses (*shape, 4) at the origin with yaw uniform in [-pi, pi)."""
        yaw = (2 * torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device) - 1) * math.pi
        return torch.cat((yaw.new_zeros(*shape, 3), yaw[..., None]), dim=-1)


class SE3Pose(PoseSpace):
    """6DoF poses (..., 7) = (x, y, z, qw, qx, qy, qz), metres and a unit quaternion, object to camera frame.

    The tangent (..., 6) is a translation [m] and a vector d that moves the quaternion to normalize(q + T(q) d), which to
    first order turns by the rotation vector -2 d in the camera frame. q and -q are one rotation. Integrals over poses
    are over translations and the whole unit sphere of quaternions, which has every rotation twice.
    """

    dim = 7
    tangent_dim = 6
    span = 2
    orientation = AngularCentralGaussian

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        return quaternion.rotation_matrix(pose[..., 3:])

    @staticmethod
    def split(pose: Tensor) -> tuple[Tensor, Tensor]:
        return pose[..., :3], pose[..., 3:]

    @staticmethod
    def join(translation: Tensor, orientation: Tensor) -> Tensor:
        return torch.cat((translation, orientation), dim=-1)

    @staticmethod
    def chain(arm: Tensor, gradient: Tensor) -> Tensor:
        # A turn by -2 d moves the point by -2 d x (R X), so the derivative is -2 (R X) x gradient.
        turn = -2 * torch.linalg.cross(arm[..., None, :].expand_as(gradient), gradient, dim=-3)
        return torch.cat((gradient, turn), dim=-3)

    @staticmethod
    @full_precision
    def retract(pose: Tensor, tangent: Tensor) -> Tensor:
        turned = quaternion.step(pose[..., 3:], tangent[..., 3:])
        return torch.cat((pose[..., :3] + tangent[..., :3], turned), dim=-1)

    @staticmethod
    @full_precision
    def difference(origin: Tensor, pose: Tensor) -> Tensor:
        """Infinite for orientations half a turn apart."""
        return torch.cat((pose[..., :3] - origin[..., :3], quaternion.difference(origin[..., 3:], pose[..., 3:])), dim=-1)

    @staticmethod
    def log_volume(tangent: Tensor) -> Tensor:
        """With both quaternions of each rotation."""
        return math.log(2) - 2 * tangent[..., 3:].square().sum(-1).log1p()

    @staticmethod
    def mirror(pose: Tensor) -> Tensor:
        """(-x, y, z, qy, qz, qw, qx): the pose in the mirrored world x -> -x. Object points mirror by z -> -z."""
        # Mirroring x is a half turn about x and a point reflection, mirroring z alike: q becomes -i q k.
        x, y, z, qw, qx, qy, qz = pose.unbind(-1)
        return torch.stack((-x, y, z, qy, qz, qw, qx), dim=-1)

    @staticmethod
    def inverse(pose: Tensor) -> Tensor:
        return torch.cat((SE3Pose.camera_centre(pose), pose[..., 3:4], -pose[..., 4:]), dim=-1)

    @staticmethod
    def axes(like: Tensor) -> Tensor:
        return -2 * identity(like.new_empty(3, 3))

    @staticmethod
    def mean(pose: Tensor, weight: Tensor) -> Tensor:
        """The quaternion of the result is the axis of most weight, which does not care for the signs of the others."""
        return SE3Pose.join(_mean_translation(pose, weight), quaternion.mean(pose[..., 3:], weight))

    @staticmethod
    def exists(pose: Tensor) -> Tensor:
        """Finite, with a quaternion longer than zero."""
        length = pose[..., 3:].norm(dim=-1)
        return pose.isfinite().all(-1) & length.isfinite() & (length > 0)

    @staticmethod
    def identity(like: Tensor) -> Tensor:
        return torch.cat((like.new_zeros(3), like.new_ones(1), like.new_zeros(3)))

    @staticmethod
    def random_rotation(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Poses (*shape, 7) at the origin with quaternions uniform over the sphere."""
        normal = torch.randn((*shape, 4), generator=generator, dtype=like.dtype, device=like.device)
        return torch.cat((normal.new_zeros(*shape, 3), normal / normal.norm(dim=-1, keepdim=True)), dim=-1)


@full_precision
def _mean_translation(pose: Tensor, weight: Tensor) -> Tensor:
    return (weight[..., None] * pose[..., :3]).sum(0)


SPACES: dict[int, type[PoseSpace]] = {space.dim: space for space in (YawPose, SE3Pose)}


def pose_space(pose: Tensor) -> type[PoseSpace]:
    """The pose space of a tensor (..., D), told by D.

    Raises:
        ValueError: no pose space has D numbers.
    """
    space = SPACES.get(pose.shape[-1]) if pose.ndim else None
    if space is None:
        raise ValueError(f"a pose has 4 numbers (x, y, z, yaw) or 7 (x, y, z, qw, qx, qy, qz) in its last dim, not {tuple(pose.shape)}")
    return space
