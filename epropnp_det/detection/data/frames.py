"""Boxes between the global, ego and camera frames of nuScenes. NumPy, float64, any leading batch
dims.

Object axes (ours, those of mmdet3d's camera boxes): x length, y height (down), z width. Box axes
of the devkit: x forward, y left, z up. Camera frame: x right, y down, z forward.
See docs/reference/conventions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyquaternion import Quaternion

# Columns: the devkit's box axes (forward, left, up) written in our object axes.
BOX_AXES_IN_OBJECT_AXES = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class RigidTransform:
    """x -> rotation @ x + translation; rotation (3, 3), translation (3,) in metres."""

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(
        cls, rotation: Sequence[float], translation: Sequence[float]
    ) -> RigidTransform:
        """From a quaternion (w, x, y, z), normalised here, and a translation (3,)."""
        return cls(Quaternion(rotation).rotation_matrix, np.asarray(translation, dtype=np.float64))

    @classmethod
    def camera_to_ego(cls, image: dict) -> RigidTransform:
        """From an image record of the annotation file."""
        return cls.from_quaternion(image["cam2ego_rotation"], image["cam2ego_translation"])

    @classmethod
    def ego_to_global(cls, image: dict) -> RigidTransform:
        """From an image record of the annotation file."""
        return cls.from_quaternion(image["ego2global_rotation"], image["ego2global_translation"])

    @classmethod
    def camera_to_global(cls, image: dict) -> RigidTransform:
        """From an image record of the annotation file: first camera to ego, then ego to global."""
        return cls.ego_to_global(image) @ cls.camera_to_ego(image)

    def __matmul__(self, other: RigidTransform) -> RigidTransform:
        """`(a @ b)(x) == a(b(x))`."""
        return RigidTransform(self.rotation @ other.rotation, self(other.translation))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Moves points (..., 3)."""
        return points @ self.rotation.T + self.translation

    def inverse(self) -> RigidTransform:
        return RigidTransform(self.rotation.T, -self.rotation.T @ self.translation)


def yaw_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Yaw (...,) about the camera's y axis of devkit box rotations (..., 3, 3) given in the camera
    frame.

    The heading is the whole rotation's first column, so a camera that is tilted against the ground
    loses nothing but the tilt itself; reading the angle off Euler angles would mix roll and pitch
    into it.
    """
    return np.arctan2(-rotation[..., 2, 0], rotation[..., 0, 0])


def rotation_from_yaw(yaw: np.ndarray) -> np.ndarray:
    """Devkit box rotations (..., 3, 3) in the camera frame of boxes with yaw (...,): R_y(yaw) [e_x,
    e_z, -e_y].
    """
    cos = np.cos(yaw)
    sin = np.sin(yaw)
    zero = np.zeros_like(yaw)
    one = np.ones_like(yaw)
    rows = np.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], axis=-1)
    return rows.reshape(*np.shape(yaw), 3, 3) @ BOX_AXES_IN_OBJECT_AXES


def velocity_to_camera(velocity: np.ndarray, to_global: RigidTransform) -> np.ndarray:
    """Horizontal global velocities (..., 2) in m/s -> (..., 2), the x and z components in the
    camera frame. NaN stays NaN.
    """
    return velocity @ to_global.rotation[:2][:, [0, 2]]


def velocity_to_global(velocity: np.ndarray, to_global: RigidTransform) -> np.ndarray:
    """Inverse of `velocity_to_camera`: the missing y component is the one that keeps the object on
    the ground.

    The camera must not look straight up or down, where x and z say nothing about the ground plane.
    """
    rotation = to_global.rotation
    downwards = -(velocity @ rotation[2, [0, 2]]) / rotation[2, 1]
    return velocity @ rotation[:2][:, [0, 2]].T + downwards[..., None] * rotation[:2, 1]


def size_to_object_axes(wlh: np.ndarray) -> np.ndarray:
    """Devkit sizes (..., 3) as width, length, height -> ours as l, h, w."""
    return wlh[..., [1, 2, 0]]


def size_to_devkit(lhw: np.ndarray) -> np.ndarray:
    """Our sizes (..., 3) as l, h, w -> the devkit's width, length, height."""
    return lhw[..., [2, 0, 1]]
