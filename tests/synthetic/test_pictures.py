"""Rays, shadows, pixels and visibility, in scenes small enough to know the answer."""

from __future__ import annotations

import numpy as np
import pytest

from epropnp_det.synthetic import labels, textures
from epropnp_det.synthetic.photo import View, owners_seen
from epropnp_det.synthetic.raycast import GROUND, SKY, RayCaster
from epropnp_det.synthetic.rig import CAMERAS, IMAGE_SIZE, Lidar
from epropnp_det.synthetic.shapes import Shape, box, join
from epropnp_det.synthetic.stage import SCENERY, Stage
from tests import tolerances

GREY = (0.5, 0.5, 0.5)
CAMERA = CAMERAS[0]
# Two walls across the view, 10 m and 20 m ahead.
NEAR = box((10.0, 10.5), (-1.0, 0.0), (0.2, 2.0), GREY)
FAR = box((20.0, 20.5), (-1.0, 1.0), (0.2, 1.8), GREY)


def stage_of(*shapes: Shape) -> Stage:
    everything = join(*shapes)
    owner = np.repeat(np.arange(len(shapes)), [len(shape.triangles) for shape in shapes])
    caster = RayCaster(everything.triangles)
    return Stage(caster, everything.colors, everything.glow, owner, dict(enumerate(shapes)))


@pytest.fixture
def view() -> View:
    return View(CAMERA.matrix, CAMERA.intrinsic)


def test_rays_end_at_the_nearest_thing():
    origin = np.array([0.0, -0.5, 1.5])
    directions = np.array([[1, 0, 0], [1, 0, -1], [-1, 0, 0], [1, 0.06, 0]], float)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    hits = RayCaster(join(NEAR, FAR).triangles).first_hits(origin, directions)
    assert hits.triangle[1:3].tolist() == [GROUND, SKY]
    np.testing.assert_allclose(hits.distance[:2], [10.0, 1.5 * 2**0.5], rtol=tolerances.EXACT)
    np.testing.assert_allclose(
        hits.origin[0] + hits.distance[3] * directions[3, 0], 20.0, rtol=tolerances.EXACT
    )


def test_shadow_lies_behind_what_throws_it():
    caster = RayCaster(NEAR.triangles)
    sun = np.array([1.0, 0.0, 1.0]) / 2**0.5
    points = np.array([[9.0, -0.5, 0.0], [11.0, -0.5, 0.0], [9.0, 0.5, 0.0]])
    assert caster.occluded(points, sun).tolist() == [True, False, False]


def test_a_projected_point_lies_on_the_ray_through_its_pixel(view):
    points = np.random.default_rng(0).uniform([5, -5, 0], [40, 5, 4], (50, 3))
    pixels = view.project(points)[:, :2]
    directions = (points - view.origin) / np.linalg.norm(
        points - view.origin, axis=1, keepdims=True
    )
    np.testing.assert_allclose(view.directions(pixels), directions, atol=tolerances.EXACT_FLOAT32)


def test_pixels_have_their_middles_at_halves(view):
    """The silhouette of a wall has the edges that its corners project to, rounded to the pixels
    whose middles it covers.
    """
    owner = owners_seen(view, stage_of(FAR))
    corners = view.project(FAR.vertices)[:, :2]
    rows, columns = np.nonzero(owner == 0)
    box_seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    np.testing.assert_allclose(box_seen, [*corners.min(axis=0), *corners.max(axis=0)], atol=0.6)
    assert (owner[rows.min() - 1] == SCENERY).all()


def test_visible_share_is_what_is_not_hidden(view):
    stage = stage_of(NEAR, FAR)
    owners = [owners_seen(view, stage)]
    assert labels.visible_share(0, NEAR, [view], owners) == 1
    # The camera, 2 cm left of the middle, sees past the near wall's edge at y = 0: it hides what
    # lies beyond y = -0.02.
    assert labels.visible_share(1, FAR, [view], owners) == pytest.approx(1.02 / 2, abs=0.02)
    behind = FAR.placed(-50.0)
    assert labels.visible_share(1, behind, [view], owners) == 0


@pytest.mark.parametrize(
    ("share", "token"), [(0.0, 1), (0.39, 1), (0.4, 2), (0.6, 3), (0.79, 3), (0.8, 4), (1.0, 4)]
)
def test_visibility_tokens(share, token):
    assert labels.visibility_token(share) == token


def test_cameras_cover_all_directions():
    """Six images side by side leave no gap wider than nuScenes' own, a few degrees, and every
    camera is level.
    """
    spans = []
    for camera in CAMERAS:
        edges = View(camera.matrix, camera.intrinsic).directions(
            np.array([[0.0, 450.0], [float(IMAGE_SIZE[0]), 450.0]])
        )
        assert abs(np.degrees(np.arcsin(edges[:, 2]))).max() < 5
        spans.append(np.degrees(np.arctan2(edges[:, 1], edges[:, 0])))
    seen = np.zeros(360, bool)
    for left, right in spans:
        seen[
            np.arange(int(np.ceil(right)), int(np.ceil(right)) + int((left - right) % 360)) % 360
        ] = True
    assert seen.mean() > 0.97


def test_lidar_beams():
    directions, ring = Lidar().directions()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=tolerances.EXACT)
    assert len(np.unique(ring)) == 32 and len(directions) == 32 * 1084
    lowest = directions[ring == 0, 2]
    np.testing.assert_allclose(lowest, np.sin(np.radians(-30.67)), rtol=tolerances.EXACT)


def test_noise_tiles_join_without_a_seam():
    tile = textures.noise_tile(np.random.default_rng(0), 256, 16)
    inside = np.abs(np.diff(tile, axis=0))
    seam = np.abs(tile[0] - tile[-1])
    assert seam.max() <= inside.max()
