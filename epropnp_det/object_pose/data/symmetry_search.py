"""Symmetries of a mesh: candidate rotations are tried against its surface and its colours.

A rotation is a symmetry if no point of the surface is farther from the turned surface than a
tolerance, and the colours agree on average. Axes come from the second moments of the surface: every
axis of rotation is one of their principal axes. Where two of them are equal, all axes across the
third are tried; where all are, a grid of axes over the sphere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ..rigid_pose import RigidPose
from .mesh_measures import diameter_of
from .object_models import MeshColors

LARGEST_ORDER = 12
_LARGEST_GROUP = 60
_SAMPLES = 20000
_PROBES = 2000
_FAN = 60
_FEW_CORNERS = 30
# Angles of a whole turn that no discrete symmetry of a low order has.
_TURNS = (0.0873, 0.2113, 0.3819, 0.6441)
# A candidate this near, in tolerances, is worth aligning.
_NEAR = 10.0
_NEAR_COLOR = 2.0
_ALIGNING_STEPS = 20
_ALIGNED = 5000
_STANDING = 1e-6
_EQUAL_MOMENTS = 0.02
_SAME_ROTATION = math.radians(5)
_NEIGHBOURS = 6
_AGREEING_NORMALS = 0.9
# A candidate that moves farther while it is aligned has become another one.
_ALIGNED_NEARBY = math.radians(12)


@dataclass(frozen=True)
class SymmetrySettings:
    """When two surfaces count as the same.

    Args:
        tolerance: largest distance between them, in diameters.
        color_tolerance: mean difference of their colours, of 1; None leaves colours out.
    """

    tolerance: float = 0.015
    color_tolerance: float | None = 0.08


@dataclass(frozen=True)
class Symmetries:
    """What a mesh is symmetric under: discrete poses without the identity, and axes (point and
    direction) of continuous turns, in the mesh's unit.
    """

    discrete: Sequence[RigidPose]
    continuous: Sequence[tuple[np.ndarray, np.ndarray]]

    def to_info(self) -> dict[str, list]:
        """The entries of `models_info.json`; empty for none."""
        info: dict[str, list] = {}
        if self.discrete:
            info["symmetries_discrete"] = [_matrix(pose) for pose in self.discrete]
        if self.continuous:
            info["symmetries_continuous"] = [
                dict(axis=_rounded(axis), offset=_rounded(point - (point @ axis) * axis))
                for point, axis in self.continuous
            ]
        return info


class SurfaceSamples:
    """Points of a mesh's surface with normals and colours, against which rotations are tried.

    Args:
        colors: colours of the mesh.
    """

    def __init__(self, mesh: trimesh.Trimesh, colors: MeshColors, settings: SymmetrySettings):
        points, faces = trimesh.sample.sample_surface(mesh, _SAMPLES, seed=0)
        triangles = mesh.triangles[faces]
        weights = trimesh.triangles.points_to_barycentric(triangles, points)
        self.points = np.asarray(points)
        self.normals = mesh.face_normals[faces]
        self.colors = colors.at(faces, weights) / 255
        self.diameter = diameter_of(np.asarray(mesh.vertices))
        self.center, self.moments = _surface_moments(mesh)
        self.hull = mesh.convex_hull
        self.settings = settings
        self._tree = cKDTree(self.points)
        around, _ = self._tree.query(self.points[:_PROBES], k=_NEIGHBOURS)
        self._spacing = float(np.median(around[:, -1]))

    def matches(self, pose: RigidPose) -> bool:
        """Whether the turned surface is the surface."""
        distance, color = self._differences(pose)
        limit = self.settings.color_tolerance
        near = distance <= self.settings.tolerance * self.diameter
        return near and (limit is None or color <= limit)

    def nearly_matches(self, pose: RigidPose) -> bool:
        """Whether aligning the candidate is worth it."""
        distance, color = self._differences(pose)
        limit = self.settings.color_tolerance
        near = distance <= _NEAR * self.settings.tolerance * self.diameter
        return near and (limit is None or color <= _NEAR_COLOR * limit)

    def align(self, pose: RigidPose) -> RigidPose:
        """The pose nearby that lays the surface onto itself best: iterated closest points, with
        distances to planes, of pairs whose normals agree.
        """
        points = self.points[:_ALIGNED]
        for _ in range(_ALIGNING_STEPS):
            turned = pose.apply(points)
            _, nearest = self._tree.query(turned)
            target_normals = self.normals[nearest]
            normals = self.normals[:_ALIGNED] @ pose.rotation.T
            agree = np.einsum("nd,nd->n", normals, target_normals) > _AGREEING_NORMALS
            step = _step_to_planes(
                turned[agree], self.points[nearest[agree]], target_normals[agree], self.center
            )
            pose = step.compose(pose)
            if _angle(step) < _STANDING:
                break
        return pose

    def _differences(self, pose: RigidPose) -> tuple[float, float]:
        """Largest distance of a turned point from the surface, and mean difference of colours.

        The distance is that to the plane of the nearest samples, as samples lie apart, and no less
        than the rest of the distance to the sample beyond their spacing.
        """
        turned = pose.apply(self.points[:_PROBES])
        away, nearest = self._tree.query(turned, k=_NEIGHBOURS)
        plane = np.abs(
            np.einsum("nkd,nkd->nk", turned[:, None] - self.points[nearest], self.normals[nearest])
        )
        distance = np.maximum(plane.min(axis=1), away[:, 0] - 2 * self._spacing)
        color = np.abs(self.colors[:_PROBES] - self.colors[nearest[:, 0]]).mean()
        return float(distance.max()), float(color)


def find_symmetries(
    mesh: trimesh.Trimesh, colors: MeshColors, settings: SymmetrySettings
) -> Symmetries:
    """The symmetries of a mesh and its colours."""
    surface = SurfaceSamples(mesh, colors, settings)
    axes, equal = _principal_axes(surface)
    continuous = [
        (surface.center, axis)
        for axis in axes
        if all(surface.matches(turn(surface.center, axis, 2 * np.pi * part)) for part in _TURNS)
    ]
    if continuous:
        axis = continuous[0][1]
        flips = [turn(surface.center, across, np.pi) for across in _across(axis, 1)]
        return Symmetries([flip for flip in flips if surface.matches(flip)], continuous[:1])
    found: list[RigidPose] = []
    for candidate in _candidates(surface, axes, equal):
        if any(_same(candidate, each) for each in found) or not surface.nearly_matches(candidate):
            continue
        pose = surface.align(candidate)
        new = not any(_same(pose, each) for each in found)
        if new and _between(pose, candidate) < _ALIGNED_NEARBY and surface.matches(pose):
            found = _closed([*found, pose])
    return Symmetries([pose for pose in found if surface.matches(pose)], [])


def turn(center: np.ndarray, axis: np.ndarray, angle: float) -> RigidPose:
    """A turn by `angle` [rad] about an axis through `center`."""
    rotation = Rotation.from_rotvec(angle * axis).as_matrix()
    return RigidPose(rotation, center - rotation @ center)


def _principal_axes(surface: SurfaceSamples) -> tuple[np.ndarray, str]:
    """Axes (A, 3) to try, and which moments are equal: "none", "two" or "all"."""
    values, vectors = np.linalg.eigh(surface.moments)
    low = values[1] - values[0] < _EQUAL_MOMENTS * values[2]
    high = values[2] - values[1] < _EQUAL_MOMENTS * values[2]
    axes = _signed(vectors.T)
    if low and high:
        return np.concatenate([np.eye(3), _directions_to_try(surface)]), "all"
    if low or high:
        return np.roll(axes, 1, axis=0) if low else axes, "two"
    return axes, "none"


def _directions_to_try(surface: SurfaceSamples) -> np.ndarray:
    """Axes (A, 3) of a mesh without a preferred one: to the corners of its hull, the middles of its
    edges and of its faces where they are few, and a grid over the sphere otherwise.
    """
    hull = surface.hull
    if len(hull.vertices) > _FEW_CORNERS:
        return trimesh.creation.icosphere(subdivisions=2).vertices
    edges = hull.vertices[hull.edges_unique].mean(axis=1) - surface.center
    axes = np.concatenate([hull.vertices - surface.center, edges, hull.face_normals])
    axes = _signed(axes / np.linalg.norm(axes, axis=1, keepdims=True))
    return np.unique(axes.round(6), axis=0)


def _candidates(surface: SurfaceSamples, axes: np.ndarray, equal: str) -> Iterator[RigidPose]:
    """Rotations to try, of high orders first."""
    orders = range(LARGEST_ORDER, 1, -1) if equal != "none" else (2,)
    for order, axis in itertools.product(orders, axes):
        yield turn(surface.center, axis, 2 * np.pi / order)
    if equal == "two":
        for axis in _across(axes[0], _FAN):
            yield turn(surface.center, axis, np.pi)


def _across(axis: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Axes across `axis`, evenly over half a turn."""
    first = np.linalg.svd(axis[None])[2][1]
    second = np.cross(axis, first)
    for angle in np.pi / count * np.arange(count):
        yield math.cos(angle) * first + math.sin(angle) * second


def _surface_moments(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray]:
    """Centroid (3,) and second moments (3, 3) of the surface, exactly; it need not be closed."""
    triangles = np.asarray(mesh.triangles)
    areas = mesh.area_faces / mesh.area
    center = areas @ triangles.mean(axis=1)
    corners = triangles - center
    total = corners.sum(axis=1)
    squares = np.einsum("f,fki,fkj->ij", areas, corners, corners)
    return center, (squares + np.einsum("f,fi,fj->ij", areas, total, total)) / 12


def _step_to_planes(
    points: np.ndarray, targets: np.ndarray, normals: np.ndarray, center: np.ndarray
) -> RigidPose:
    """The small turn about `center` and shift that take points (N, 3) nearest to planes."""
    columns = np.concatenate([np.cross(points - center, normals), normals], axis=1)
    distances = np.einsum("nd,nd->n", targets - points, normals)
    solution = np.linalg.lstsq(columns.T @ columns, columns.T @ distances, rcond=1e-9)[0]
    rotation = Rotation.from_rotvec(solution[:3]).as_matrix()
    return RigidPose(rotation, center + solution[3:] - rotation @ center)


def _closed(poses: list[RigidPose]) -> list[RigidPose]:
    """The group that the poses generate, without the identity; the poses themselves where that is
    larger than any group that is worth listing.
    """
    members = list(poses)
    for first, second in _growing_pairs(members):
        product = first.compose(second)
        known = _angle(product) < _SAME_ROTATION or any(_same(product, each) for each in members)
        if not known:
            members.append(product)
        if len(members) >= _LARGEST_GROUP:
            return list(poses)
    return members


def _growing_pairs(members: list[RigidPose]) -> Iterator[tuple[RigidPose, RigidPose]]:
    """All pairs of a list that may grow meanwhile."""
    index = 0
    while index < len(members):
        for other in range(index + 1):
            yield members[index], members[other]
            yield members[other], members[index]
        index += 1


def _same(first: RigidPose, second: RigidPose) -> bool:
    return _between(first, second) < _SAME_ROTATION


def _between(first: RigidPose, second: RigidPose) -> float:
    """Angle [rad] between two rotations."""
    return _angle(RigidPose(first.rotation @ second.rotation.T, first.translation))


def _angle(pose: RigidPose) -> float:
    cosine = (np.trace(pose.rotation) - 1) / 2
    return float(np.arccos(np.clip(cosine, -1, 1)))


def _signed(axes: np.ndarray) -> np.ndarray:
    """Axes (A, 3) whose largest component is positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return axes * np.sign(largest)


def _matrix(pose: RigidPose) -> list[float]:
    matrix = np.eye(4)
    matrix[:3, :3] = pose.rotation
    matrix[:3, 3] = pose.translation
    return _rounded(matrix.ravel())


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(float(value), 9) + 0.0 for value in values]
