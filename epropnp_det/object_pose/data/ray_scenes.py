"""First hits of camera rays with object models: one Embree scene a model, kept for all poses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene

from ..rigid_pose import RigidPose
from .object_models import ObjectModel

NO_FACE = -1


class PlacedObject(Protocol):
    """Whatever has an object id and a pose from the model's frame to the camera's [m]."""

    @property
    def object_id(self) -> int: ...

    @property
    def pose(self) -> RigidPose: ...


@dataclass(frozen=True)
class RayHits:
    """First hits of M rays with one model.

    Args:
        face: (M,) number of the face, `NO_FACE` where the ray misses.
        weights: (M, 2) barycentric weights of the second and third corner of the face.
        coordinates: (M, 3) float32, the point in the model's frame [m]; zeros where the ray misses.
        depth: (M,) float32, z in the camera's frame [m]; infinite where the ray misses.
    """

    face: np.ndarray
    weights: np.ndarray
    coordinates: np.ndarray
    depth: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """(M,) whether the ray hits."""
        return self.face != NO_FACE


class RayScenes:
    """Embree scenes of models by object id, each built at its first use.

    A copy in another process builds its own.
    """

    def __init__(self, models: Mapping[int, ObjectModel]):
        self.models = models
        self._scenes: dict[int, tuple[EmbreeScene, TriangleMesh]] = {}

    def __reduce__(self) -> tuple:
        return RayScenes, (self.models,)

    def cast(self, placed: PlacedObject, camera_matrix: np.ndarray, pixels: np.ndarray) -> RayHits:
        """Casts the rays through M pixels at a placed object.

        Args:
            camera_matrix: (3, 3) [px], pixel centres at half integers.
            pixels: (M, 2) x, y [px].

        Raises:
            KeyError: the object has no model.
        """
        rays = camera_rays(camera_matrix, pixels)
        rotation = placed.pose.orthonormal().rotation
        origin = -placed.pose.translation @ rotation
        directions = rays @ rotation
        scene = self._scene(placed.object_id)
        found = run_scene(scene, np.broadcast_to(origin, directions.shape), directions)
        hit = found["primID"] >= 0
        # The rays have z = 1 in the camera's frame, so the distance along them is the depth.
        depth = np.where(hit, found["tfar"], np.inf)
        points = origin + np.where(hit, found["tfar"], 0)[:, None] * directions
        coordinates = np.where(hit[:, None], points, 0).astype(np.float32)
        weights = np.stack([found["u"], found["v"]], axis=-1)
        return RayHits(np.where(hit, found["primID"], NO_FACE), weights, coordinates, depth)

    def occluded(
        self, placed: PlacedObject, origins: np.ndarray, direction: np.ndarray
    ) -> np.ndarray:
        """Whether the object blocks the way (M,) from points (M, 3) along a direction (3,) or
        directions (M, 3), both in the camera's frame [m].
        """
        rotation = placed.pose.orthonormal().rotation
        local = (origins - placed.pose.translation) @ rotation
        directions = np.broadcast_to(direction @ rotation, local.shape)
        origins = _float32(local)
        directions = _float32(directions)
        return self._scene(placed.object_id).run(origins, directions, query="OCCLUDED") >= 0

    def _scene(self, object_id: int) -> EmbreeScene:
        if object_id not in self._scenes:
            scene = EmbreeScene()
            mesh = TriangleMesh(scene, _float32(self.models[object_id].triangles))
            self._scenes[object_id] = (scene, mesh)
        return self._scenes[object_id][0]


def camera_rays(camera_matrix: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Directions (M, 3) through pixels (M, 2), with z = 1 in the camera's frame."""
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=-1)
    return homogeneous @ np.linalg.inv(camera_matrix).T


def run_scene(scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray) -> dict:
    """Embree's first hits: `primID` (M,), `tfar`, `u`, `v`."""
    return scene.run(_float32(origins), _float32(directions), output=1)


def _float32(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, np.float32)
