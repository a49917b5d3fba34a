"""The interface of a pose space, common to 4DoF and 6DoF poses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from .._linalg import identity
from .._records import full_precision
from ..proposals.orientation import Orientation


class PoseSpace(ABC):
    """Poses (..., D) from object to camera frame (x right, y down, z forward): translation [m] in
    front, orientation behind.

    Attributes:
        dim: D, numbers of a pose.
        tangent_dim: degrees of freedom; a tangent is a translation [m] and what turns the
            orientation.
        min_point_rank: how many directions the object points must spread in to determine a pose.
        start_candidates: how many distinct proposals of a random start are refined by default.
        orientation: the family of proposals for orientations.
    """

    dim: ClassVar[int]
    tangent_dim: ClassVar[int]
    min_point_rank: ClassVar[int]
    start_candidates: ClassVar[int]
    orientation: ClassVar[type[Orientation]]

    @staticmethod
    @abstractmethod
    def rotation(pose: Tensor) -> Tensor:
        """Rotation matrices (..., 3, 3) of poses (..., D)."""

    @staticmethod
    @abstractmethod
    def split(pose: Tensor) -> tuple[Tensor, Tensor]:
        """Translations (..., 3) [m] of poses (..., D), and orientations as the proposals take
        them.
        """

    @staticmethod
    @abstractmethod
    def join(translation: Tensor, orientation: Tensor) -> Tensor:
        """Poses (..., D) from the results of `split`."""

    @staticmethod
    @abstractmethod
    def pull_back_jacobian(arm: Tensor, gradient: Tensor) -> Tensor:
        """From derivatives with respect to points in the camera frame to derivatives in the tangent
        of the pose.

        Args:
            arm: rotated object points R X, (..., 3, N).
            gradient: transposed derivatives, (..., 3, M, N).

        Returns:
            (..., tangent_dim, M, N).
        """

    @staticmethod
    @abstractmethod
    def retract(pose: Tensor, tangent: Tensor) -> Tensor:
        """The pose (..., D) reached from `pose` along `tangent` (..., tangent_dim)."""

    @staticmethod
    @abstractmethod
    def difference(origin: Tensor, pose: Tensor) -> Tensor:
        """The tangent (..., tangent_dim) along which `retract` reaches the pose from the origin,
        both (..., D).
        """

    @staticmethod
    @abstractmethod
    def difference_jacobian(origin: Tensor, pose: Tensor) -> Tensor:
        """Derivative (..., tangent_dim, tangent_dim) of `difference` in the tangent of the pose."""

    @staticmethod
    @abstractmethod
    def displacement(origin: Tensor, pose: Tensor) -> Tensor:
        """From the origin to the pose, both (..., D): translation [m] and rotation vector [rad]
        (..., 6) in the camera frame, with t' = t + translation and R' = exp(rotation) R.
        """

    @staticmethod
    @abstractmethod
    def log_volume(tangent: Tensor) -> Tensor:
        """log (...) of the volume of poses that `retract` makes of a unit volume of tangents, at
        tangents (..., T).
        """

    @staticmethod
    @abstractmethod
    def angle_cosine(first: Tensor, second: Tensor) -> Tensor:
        """Cosine (...) of the angle between the orientations of poses (..., D)."""

    @staticmethod
    @abstractmethod
    def mirror(pose: Tensor) -> Tensor:
        """Pose in the mirrored world x -> -x. Object points mirror by z -> -z."""

    @staticmethod
    @abstractmethod
    def inverse(pose: Tensor) -> Tensor:
        """The pose (..., D) of the camera in the object frame."""

    @staticmethod
    @abstractmethod
    def axes(like: Tensor) -> Tensor:
        """Rotation vectors (tangent_dim - 3, 3) in the camera frame that belong to the turning part
        of the tangent.
        """

    @staticmethod
    @abstractmethod
    def mean(pose: Tensor, weight: Tensor) -> Tensor:
        """Mean (..., D) of poses (S, ..., D) with normalised weights (S, ...)."""

    @staticmethod
    @abstractmethod
    def is_valid(pose: Tensor) -> Tensor:
        """(...) bool: the numbers (..., D) are a pose."""

    @staticmethod
    @abstractmethod
    def identity(like: Tensor) -> Tensor:
        """The pose (D,) at the origin of the camera frame, not rotated."""

    @staticmethod
    @abstractmethod
    def random_rotation(
        shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Poses (*shape, D) at the origin, rotated uniformly."""

    @classmethod
    def matrix(cls, pose: Tensor) -> Tensor:
        """[R | t] (..., 3, 4) of poses (..., D)."""
        return torch.cat((cls.rotation(pose), pose[..., :3, None]), dim=-1)

    @classmethod
    def transform(cls, pose: Tensor, xyz: Tensor) -> Tensor:
        """Object points (..., N, 3) in the camera frame (..., N, 3), metres."""
        return _product(xyz, cls.rotation(pose).mT) + pose[..., None, :3]

    @classmethod
    def translate_object_frame(cls, pose: Tensor, offset: Tensor) -> Tensor:
        """Pose of the frame whose origin lies at `offset` (..., 3), in object coordinates: t + R
        offset.
        """
        shift = _product(cls.rotation(pose), offset[..., None])[..., 0]
        return torch.cat((pose[..., :3] + shift, pose[..., 3:]), dim=-1)

    @classmethod
    def translated_tangent(cls, pose: Tensor, offset: Tensor) -> Tensor:
        """The matrix (..., T, T) that takes a tangent at the pose (..., D) to the tangent of the
        same motion at `translate_object_frame(pose, offset)`.
        """
        arm = _product(cls.rotation(pose), offset[..., None]).mT
        axes = cls.axes(pose)
        lever = torch.linalg.cross(axes.expand(*arm.shape[:-2], -1, 3), arm).mT
        eye = identity(pose.new_empty(cls.tangent_dim, cls.tangent_dim))
        upper = torch.cat((eye[:3, :3].expand(*lever.shape[:-1], 3), lever), dim=-1)
        return torch.cat((upper, eye[3:].expand(*lever.shape[:-2], -1, -1)), dim=-2)

    @classmethod
    def inverse_tangent(cls, pose: Tensor) -> Tensor:
        """The matrix (..., T, T) that takes a tangent at the pose (..., D) to the tangent at its
        inverse, of the same motion.
        """
        back = cls.rotation(pose).mT
        axes = cls.axes(pose)
        lever = _product(
            back, torch.linalg.cross(axes.expand(*pose.shape[:-1], -1, 3), pose[..., None, :3]).mT
        )
        turn = -_product(axes, _product(back, axes.mT)) / axes[0].square().sum()
        upper = torch.cat((-back, lever), dim=-1)
        return torch.cat((upper, torch.cat((torch.zeros_like(lever.mT), turn), dim=-1)), dim=-2)

    @classmethod
    def camera_centre(cls, pose: Tensor) -> Tensor:
        """-R^T t (..., 3): where the camera is in the object frame."""
        return -_product(cls.rotation(pose).mT, pose[..., :3, None])[..., 0]


@full_precision
def _product(first: Tensor, second: Tensor) -> Tensor:
    return first @ second


@full_precision
def _mean_translation(pose: Tensor, weight: Tensor) -> Tensor:
    return (weight[..., None] * pose[..., :3]).sum(0)
