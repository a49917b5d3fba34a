"""First hits of rays with a triangle soup and the ground plane z = 0. Embree (through embreex)
finds the triangle, NumPy the point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

GROUND = -1
SKY = -2  # in place of a triangle's index


@dataclass(frozen=True)
class Hits:
    """First hits of rays from one origin: triangle indices (N,), GROUND or SKY, and distances (N,),
    infinite for the sky.
    """

    origin: np.ndarray
    directions: np.ndarray
    triangle: np.ndarray
    distance: np.ndarray

    @property
    def points(self) -> np.ndarray:
        """(N, 3); of use where the distance is finite."""
        return self.origin + self.distance[:, None] * self.directions


class RayCaster:
    """Casts rays against triangles (F, 3, 3). `normals` (F, 3) are unit vectors of either sign."""

    def __init__(self, triangles: np.ndarray):
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        self.normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        self._offsets = (self.normals * triangles[:, 0]).sum(axis=1)
        self._scene = rtcore_scene.EmbreeScene()
        self._mesh = TriangleMesh(self._scene, triangles.astype(np.float32))

    def triangles_hit(self, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Index (N,) of the first triangle along each ray, -1 for none. The ground does not
        count.
        """
        return self._scene.run(*_rays(origin, directions), query="INTERSECT")

    def first_hits(self, origin: np.ndarray, directions: np.ndarray) -> Hits:
        """Rays from one origin (3,) above the ground along unit directions (N, 3)."""
        found = self.triangles_hit(origin, directions)
        down = directions[:, 2] < -1e-6
        ground = np.where(down, origin[2] / np.where(down, -directions[:, 2], 1.0), np.inf)
        distance = np.where(found >= 0, self._distances(found, origin, directions), np.inf)
        triangle = np.where(distance < ground, found, np.where(down, GROUND, SKY)).astype(np.int32)
        return Hits(origin, directions, triangle, np.minimum(distance, ground))

    def _distances(
        self, found: np.ndarray, origin: np.ndarray, directions: np.ndarray
    ) -> np.ndarray:
        """To the planes of the triangles: more exact than what Embree's float32 gives."""
        height = (self._offsets - self.normals @ origin).astype(directions.dtype)
        closing = np.einsum("nd,nd->n", self.normals.astype(directions.dtype)[found], directions)
        return height[found] / np.where(closing == 0, 1e-12, closing)

    def occluded(self, points: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Whether a ray from each point (N, 3) along one direction (3,) hits a triangle."""
        return self._scene.run(*_rays(points, direction), query="OCCLUDED") >= 0


def _rays(origins: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    origins, directions = np.broadcast_arrays(origins, directions)
    return np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32)
