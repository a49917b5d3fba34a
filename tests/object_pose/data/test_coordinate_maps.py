"""Ray-cast labels: against projections, an analytic cube, and each other."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from epropnp_det.object_pose.data.coordinate_maps import object_maps, pixel_centers
from epropnp_det.object_pose.data.ray_scenes import RayScenes, camera_rays
from epropnp_det.object_pose.rigid_pose import RigidPose, project
from tests import tolerances
from tests.object_pose.conftest import model_of

CAMERA = np.array([[300.0, 0, 80], [0, 310.0, 60], [0, 0, 1]])
PIXELS = pixel_centers(160, 120)
SIZE = np.array([0.1, 0.06, 0.04])


@dataclass(frozen=True)
class Placed:
    object_id: int
    pose: RigidPose


@pytest.fixture(scope="module")
def scenes() -> RayScenes:
    torus = trimesh.creation.torus(0.05, 0.02, major_sections=48, minor_sections=24)
    return RayScenes({1: model_of(trimesh.creation.box(SIZE)), 2: model_of(torus, 2)})


def placed(object_id: int, seed: int, z: float = 0.5) -> Placed:
    rotation = Rotation.random(random_state=seed).as_matrix()
    return Placed(object_id, RigidPose(rotation, np.array([0.01, -0.02, z])))


@pytest.mark.parametrize("object_id", [1, 2])
def test_coordinates_project_to_the_cell_centres(scenes: RayScenes, object_id: int):
    cells = 30 + 70 / 32 * pixel_centers(32, 32)
    each = placed(object_id, 0)
    (maps,) = object_maps(scenes, [each], CAMERA, cells)
    seen = project(each.pose.apply(maps.coordinates[maps.mask].astype(np.float64)), CAMERA)
    assert maps.mask.sum() > 100
    assert np.abs(seen - cells[maps.mask]).max() < tolerances.CELL_CENTRE


def test_a_rounded_rotation_does_no_harm(scenes: RayScenes):
    exact = placed(1, 3)
    rounded = Placed(1, RigidPose(exact.pose.rotation * 1.002, exact.pose.translation))
    (maps,) = object_maps(scenes, [rounded], CAMERA, PIXELS)
    seen = project(exact.pose.apply(maps.coordinates[maps.mask].astype(np.float64)), CAMERA)
    assert np.abs(seen - PIXELS[maps.mask]).max() < tolerances.CELL_CENTRE


@pytest.mark.parametrize("seed", range(4))
def test_a_cube_agrees_with_slabs(scenes: RayScenes, seed: int):
    each = placed(1, seed)
    (maps,) = object_maps(scenes, [each], CAMERA, PIXELS)
    back = each.pose.inverse()
    directions = camera_rays(CAMERA, PIXELS.reshape(-1, 2)) @ back.rotation.T
    limits = (np.array([-1, 1])[:, None] * SIZE / 2 - back.translation)[:, None] / directions
    enters = limits.min(axis=0).max(axis=-1)
    leaves = limits.max(axis=0).min(axis=-1)
    hits = (enters < leaves).reshape(120, 160)
    assert (hits != maps.mask).sum() <= 2  # rays along an edge
    both = hits & maps.mask
    points = (back.translation + enters[:, None] * directions).reshape(120, 160, 3)
    assert np.abs(points - maps.coordinates)[both].max() < tolerances.RAY_CAST
    assert np.abs(enters.reshape(120, 160) - maps.depth)[both].max() < tolerances.RAY_CAST


def test_occlusion_takes_from_the_visible_part_alone(scenes: RayScenes):
    behind = placed(1, 1, 0.5)
    before = placed(2, 2, 0.35)
    (alone,) = object_maps(scenes, [behind], CAMERA, PIXELS)
    maps, front = object_maps(scenes, [behind, before], CAMERA, PIXELS)
    assert alone.visibility == front.visibility == 1 and 0 < maps.visibility < 1
    assert np.array_equal(maps.mask, alone.mask)
    assert np.array_equal(maps.coordinates, alone.coordinates)
    assert np.array_equal(maps.visible, maps.mask & ~front.mask)


def test_the_silhouette_of_a_convex_model_is_its_projected_hull(scenes: RayScenes):
    each = placed(1, 5)
    (maps,) = object_maps(scenes, [each], CAMERA, PIXELS)
    seen = project(each.pose.apply(scenes.models[1].vertices), CAMERA)
    pixels = PIXELS[maps.mask]
    assert (pixels >= seen.min(axis=0)).all() and (pixels <= seen.max(axis=0)).all()
    assert np.abs(pixels.min(axis=0) - seen.min(axis=0)).max() < tolerances.SILHOUETTE
    assert np.abs(pixels.max(axis=0) - seen.max(axis=0)).max() < tolerances.SILHOUETTE


def test_an_object_around_the_camera_fills_the_image(scenes: RayScenes):
    inside = Placed(1, RigidPose(np.eye(3), np.zeros(3)))
    (maps,) = object_maps(scenes, [inside], CAMERA, PIXELS)
    assert maps.mask.all() and np.abs(maps.depth - SIZE[2] / 2).max() < tolerances.RAY_CAST


def test_scenes_are_kept_and_copied_without_them(scenes: RayScenes):
    each = placed(2, 7)
    first = scenes.cast(each, CAMERA, PIXELS.reshape(-1, 2))
    copy = pickle.loads(pickle.dumps(scenes))
    assert np.array_equal(copy.cast(each, CAMERA, PIXELS.reshape(-1, 2)).face, first.face)
