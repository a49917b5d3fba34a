"""Errors of poses, as the BOP toolkit defines them (https://bop.felk.cvut.cz).

Poses take the model's frame to the camera's. All functions broadcast over leading dims `...` of the
two poses. Everything is in metres, pixels and degrees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from ..data.mesh_measures import convex_corners
from ..rigid_pose import RigidPose, project


def add(estimate: RigidPose, truth: RigidPose, vertices: np.ndarray) -> np.ndarray:
    """Mean distance (...) [m] of the model's vertices (N, 3) between the two poses."""
    return _distances(estimate.apply(vertices), truth.apply(vertices)).mean(axis=-1)


def adi(estimate: RigidPose, truth: RigidPose, vertices: np.ndarray) -> np.ndarray:
    """Mean distance (...) [m] from each true vertex to the nearest estimated one (ADD-S)."""
    estimated, true = np.broadcast_arrays(estimate.apply(vertices), truth.apply(vertices))
    pairs = zip(estimated.reshape(-1, *vertices.shape), true.reshape(-1, *vertices.shape))
    means = [cKDTree(each).query(wanted)[0].mean() for each, wanted in pairs]
    return np.reshape(means, estimated.shape[:-2])


def mssd(
    estimate: RigidPose, truth: RigidPose, vertices: np.ndarray, symmetries: RigidPose
) -> np.ndarray:
    """Maximum symmetry-aware surface distance (...) [m].

    The largest distance of a vertex, for the best of the S members of `symmetries`. The distance is
    a convex function of the vertex, so its largest value lies on the convex hull.
    """
    corners = convex_corners(vertices)
    placed = estimate.apply(corners)
    return _best_of(
        symmetries, lambda member: _distances(placed, truth.compose(member).apply(corners))
    )


def mspd(
    estimate: RigidPose,
    truth: RigidPose,
    vertices: np.ndarray,
    symmetries: RigidPose,
    camera_matrix: np.ndarray,
) -> np.ndarray:
    """Maximum symmetry-aware projection distance (...) [px], camera_matrix (..., 3, 3)."""
    seen = project(estimate.apply(vertices), camera_matrix)

    def distances(member: RigidPose) -> np.ndarray:
        return _distances(seen, project(truth.compose(member).apply(vertices), camera_matrix))

    return _best_of(symmetries, distances)


def projection_error(
    estimate: RigidPose, truth: RigidPose, vertices: np.ndarray, camera_matrix: np.ndarray
) -> np.ndarray:
    """Mean distance (...) [px] of the projected vertices."""
    seen = project(estimate.apply(vertices), camera_matrix)
    return _distances(seen, project(truth.apply(vertices), camera_matrix)).mean(axis=-1)


def rotation_error(estimate: RigidPose, truth: RigidPose) -> np.ndarray:
    """Angle (...) [degrees] between the two rotations.

    The inverse is that of the matrix as it stands, as in the toolkit: rotations read from files are
    orthonormal to their printed digits only.
    """
    turn = estimate.rotation @ np.linalg.inv(truth.rotation)
    cosine = (np.trace(turn, axis1=-2, axis2=-1) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def translation_error(estimate: RigidPose, truth: RigidPose) -> np.ndarray:
    """Distance (...) [m] between the two origins of the model."""
    return _distances(estimate.translation, truth.translation)


def nearest_symmetric_truth(
    estimate: RigidPose, truth: RigidPose, symmetries: RigidPose
) -> RigidPose:
    """The member of the true pose's symmetries with the smallest rotation to the estimate (...)."""
    members = truth.each_member().compose(symmetries)
    angles = rotation_error(estimate.each_member(), members)
    best = angles.argmin(axis=-1)[..., None]
    rotation = np.broadcast_to(members.rotation, (*angles.shape, 3, 3))
    translation = np.broadcast_to(members.translation, (*angles.shape, 3))
    return RigidPose(
        np.take_along_axis(rotation, best[..., None, None], axis=-3)[..., 0, :, :],
        np.take_along_axis(translation, best[..., None], axis=-2)[..., 0, :],
    )


def _best_of(symmetries: RigidPose, distances: Callable[[RigidPose], np.ndarray]) -> np.ndarray:
    """Smallest over the members of the largest distance; one member at a time, for memory."""
    count = len(symmetries.translation)
    return np.min([distances(symmetries[index]).max(axis=-1) for index in range(count)], axis=0)


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.linalg.norm(first - second, axis=-1)
