"""Rigid poses in NumPy, in the form in which BOP writes them: a rotation and a translation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.spatial.transform import Rotation


@dataclass(frozen=True)
class RigidPose:
    """Poses that take points of one frame to another: x -> rotation x + translation.

    Args:
        rotation: (..., 3, 3).
        translation: (..., 3) [m].
    """

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def identity(cls) -> Self:
        return cls(np.eye(3), np.zeros(3))

    @classmethod
    def stack(cls, poses: Sequence[RigidPose]) -> Self:
        """One record with a new leading dim; no poses give (0, 3, 3) and (0, 3)."""
        rotations = np.array([pose.rotation for pose in poses], dtype=np.float64)
        translations = np.array([pose.translation for pose in poses], dtype=np.float64)
        return cls(rotations.reshape(-1, 3, 3), translations.reshape(-1, 3))

    @classmethod
    def from_vector(cls, vector: np.ndarray) -> Self:
        """From (..., 7): x, y, z [m], qw, qx, qy, qz, the layer's 6DoF pose."""
        vector = np.asarray(vector, dtype=np.float64)
        rotation = Rotation.from_quat(vector[..., 3:].reshape(-1, 4), scalar_first=True)
        return cls(rotation.as_matrix().reshape(*vector.shape[:-1], 3, 3), vector[..., :3])

    def to_vector(self) -> np.ndarray:
        """(..., 7): x, y, z [m], qw >= 0, qx, qy, qz, the layer's 6DoF pose."""
        rotation = Rotation.from_matrix(self.rotation.reshape(-1, 3, 3))
        quaternion = rotation.as_quat(canonical=True, scalar_first=True)
        quaternion = quaternion.reshape(*self.translation.shape[:-1], 4)
        return np.concatenate([self.translation, quaternion], axis=-1)

    def __getitem__(self, index: Any) -> RigidPose:
        """Indexes the leading dims; without an ellipsis."""
        return RigidPose(self.rotation[index], self.translation[index])

    def each_member(self) -> RigidPose:
        """The same poses with leading dims (..., 1), which broadcast over a list of poses."""
        return RigidPose(self.rotation[..., None, :, :], self.translation[..., None, :])

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) [m] in the other frame, (..., N, 3)."""
        return points @ np.swapaxes(self.rotation, -1, -2) + self.translation[..., None, :]

    def compose(self, first: RigidPose) -> RigidPose:
        """The pose that does `first`, then this one; leading dims broadcast."""
        turned = (self.rotation @ first.translation[..., None])[..., 0]
        return RigidPose(self.rotation @ first.rotation, turned + self.translation)

    def orthonormal(self) -> RigidPose:
        """The same poses with the nearest rotations: those in files are rounded, some of official
        data sets by 0.002.
        """
        left, _, right = np.linalg.svd(self.rotation)
        return RigidPose(left @ right, self.translation)

    def inverse(self) -> RigidPose:
        """The pose back; the rotation is taken for orthonormal."""
        rotation = np.swapaxes(self.rotation, -1, -2)
        return RigidPose(rotation, -(rotation @ self.translation[..., None])[..., 0])


def project(points: np.ndarray, camera_matrix: np.ndarray) -> np.ndarray:
    """Pixels (..., N, 2) of points (..., N, 3) in front of the camera (..., 3, 3)."""
    image = points @ np.swapaxes(camera_matrix, -1, -2)
    return image[..., :2] / image[..., 2:]
