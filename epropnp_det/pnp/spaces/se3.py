"""6DoF poses: a translation and a unit quaternion."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .. import _quaternion
from .._linalg import identity
from .._records import full_precision
from ..proposals.angular_central_gaussian import AngularCentralGaussian
from .base import PoseSpace, _mean_translation


class SE3Pose(PoseSpace):
    """6DoF poses (..., 7) = (x, y, z, qw, qx, qy, qz), metres and a unit quaternion, object to
    camera frame.

    The tangent (..., 6) is a translation [m] and a vector d that moves the quaternion to
    normalize(q + T(q) d), which to first order turns by the rotation vector -2 d in the camera
    frame. q and -q are one rotation. Integrals over poses are over translations and the whole unit
    sphere of quaternions, which has every rotation twice.
    """

    dim = 7
    tangent_dim = 6
    min_point_rank = 2
    # Few points, or points in a plane, have several minima of nearly the same cost.
    start_candidates = 4
    orientation = AngularCentralGaussian

    @staticmethod
    def rotation(pose: Tensor) -> Tensor:
        return _quaternion.rotation_matrix(pose[..., 3:])

    @staticmethod
    def split(pose: Tensor) -> tuple[Tensor, Tensor]:
        return pose[..., :3], pose[..., 3:]

    @staticmethod
    def join(translation: Tensor, orientation: Tensor) -> Tensor:
        return torch.cat((translation, orientation), dim=-1)

    @staticmethod
    def pull_back_jacobian(arm: Tensor, gradient: Tensor) -> Tensor:
        # A turn by -2 d moves the point by -2 d x (R X), so the derivative is -2 (R X) x gradient.
        turn = -2 * torch.linalg.cross(arm[..., None, :].expand_as(gradient), gradient, dim=-3)
        return torch.cat((gradient, turn), dim=-3)

    @staticmethod
    @full_precision
    def retract(pose: Tensor, tangent: Tensor) -> Tensor:
        turned = _quaternion.step(pose[..., 3:], tangent[..., 3:])
        return torch.cat((pose[..., :3] + tangent[..., :3], turned), dim=-1)

    @staticmethod
    @full_precision
    def difference(origin: Tensor, pose: Tensor) -> Tensor:
        """Infinite for orientations half a turn apart."""
        return torch.cat(
            (
                pose[..., :3] - origin[..., :3],
                _quaternion.difference(origin[..., 3:], pose[..., 3:]),
            ),
            dim=-1,
        )

    @staticmethod
    @full_precision
    def difference_jacobian(origin: Tensor, pose: Tensor) -> Tensor:
        """Not finite for orientations half a turn apart."""
        turn = _quaternion.difference_jacobian(origin[..., 3:], pose[..., 3:])
        eye = identity(turn).expand_as(turn)
        upper = torch.cat((eye, torch.zeros_like(turn)), dim=-1)
        return torch.cat((upper, torch.cat((torch.zeros_like(turn), turn), dim=-1)), dim=-2)

    @staticmethod
    @full_precision
    def displacement(origin: Tensor, pose: Tensor) -> Tensor:
        translation = pose[..., :3] - origin[..., :3]
        rotation = _quaternion.rotation_vector(origin[..., 3:], pose[..., 3:])
        return torch.cat((translation, rotation), dim=-1)

    @staticmethod
    def log_volume(tangent: Tensor) -> Tensor:
        """With both quaternions of each rotation."""
        return math.log(2) - 2 * tangent[..., 3:].square().sum(-1).log1p()

    @staticmethod
    def angle_cosine(first: Tensor, second: Tensor) -> Tensor:
        half_cosine = (first[..., 3:] * second[..., 3:]).sum(-1)
        return 2 * half_cosine.square() - 1

    @staticmethod
    def mirror(pose: Tensor) -> Tensor:
        """(-x, y, z, qy, qz, qw, qx): the pose in the mirrored world x -> -x. Object points mirror
        by z -> -z.
        """
        # Mirroring x is a half turn about x and a point reflection, and so is mirroring z: q
        # becomes -i q k.
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
        """The quaternion of the result is the axis of most weight, which does not care for the
        signs of the others.
        """
        return SE3Pose.join(
            _mean_translation(pose, weight), _quaternion.mean(pose[..., 3:], weight)
        )

    @staticmethod
    def is_valid(pose: Tensor) -> Tensor:
        """Finite, with a quaternion longer than zero."""
        length = pose[..., 3:].norm(dim=-1)
        return pose.isfinite().all(-1) & length.isfinite() & (length > 0)

    @staticmethod
    def identity(like: Tensor) -> Tensor:
        return torch.cat((like.new_zeros(3), like.new_ones(1), like.new_zeros(3)))

    @staticmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Poses (*shape, 7) at the origin with quaternions uniform over the sphere."""
        normal = torch.randn((*shape, 4), generator=generator, dtype=like.dtype, device=like.device)
        return torch.cat(
            (normal.new_zeros(*shape, 3), normal / normal.norm(dim=-1, keepdim=True)), dim=-1
        )
