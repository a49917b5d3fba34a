"""Patches of stored surfaces under other lamps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.console.calibrate import rendered_anew
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.coordinate_maps import pixel_centers
from epropnp_det.object_pose.data.ray_scenes import camera_rays
from epropnp_det.object_pose.data.relighting import draw_background, relit
from epropnp_det.object_pose.data.rendered_crops import RenderedCrops
from epropnp_det.object_pose.data.stored_crops import StoredCrops
from tests import tolerances

SETTINGS = dict(patch=dict(size=64), cells=16)
STORED = 3


@pytest.fixture(scope="module")
def stored(root: Path) -> StoredCrops:
    return StoredCrops(str(root / "cache"), STORED, root=str(root), **SETTINGS)


def test_labels_are_those_of_rendered_patches(root: Path, stored: StoredCrops):
    rendered = RenderedCrops(str(root), **SETTINGS)
    for index in range(STORED):
        one = stored[index]
        other = rendered[index]
        assert one.keys() == other.keys()
        for name in one.keys() - {"img"}:
            assert torch.equal(one[name], other[name]), name


def test_the_same_scene_comes_again_under_other_lamps(stored: StoredCrops):
    first = stored[1]
    again = stored[1]
    later = stored[1 + STORED]
    assert torch.equal(first["img"], again["img"])
    assert torch.equal(first["gt_noc"], later["gt_noc"])
    assert not torch.equal(first["img"], later["img"])


def test_scenes_are_stored_once_for_their_settings(root: Path, stored: StoredCrops):
    file = root / "cache" / "scenes.npy"
    written = file.stat().st_mtime_ns
    again = StoredCrops(str(root / "cache"), STORED, root=str(root), **SETTINGS)
    assert file.stat().st_mtime_ns == written
    assert torch.equal(again[2]["img"], stored[2]["img"])
    with pytest.raises(UserError, match=r"holds scenes of other settings \(seed\); remove it"):
        StoredCrops(str(root / "cache"), STORED, root=str(root), seed=1, **SETTINGS)


def test_a_convex_object_alone_is_lit_as_the_renderer_lights_it(root: Path):
    """It throws no shadow on what the camera sees of it."""
    dataset = RenderedCrops(str(root), layout=dict(others=(0, 0)), **SETTINGS)
    scene, _ = dataset.draw(np.random.default_rng(0))
    pixels = pixel_centers(*dataset.camera.size)
    surfaces = dataset.renderer.surfaces(scene, pixels)
    rays = camera_rays(scene.camera_matrix, pixels.reshape(-1, 2)).reshape(*pixels.shape[:2], 3)
    view = -rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    picture = relit(surfaces, view, scene.materials, scene.lighting, np.zeros_like(rays))
    expected = dataset.renderer.radiance(scene, pixels)
    shown = surfaces.part == 1
    assert shown.any() and (picture[~shown] == 0).all()
    assert np.abs(picture - expected)[shown].max() < tolerances.RADIANCE
    dark = replace(scene.lighting, colors=np.zeros((3, 3)), ambient=np.zeros(3))
    assert (relit(surfaces, view, scene.materials, dark, np.zeros_like(rays)) == 0).all()


def test_backgrounds_repeat_their_tile_without_a_seam():
    x = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    tile = np.broadcast_to((1 + np.sin(x))[:, None, None] / 2, (64, 64, 3)).astype(np.float32)
    picture = draw_background(tile, 200, np.random.default_rng(0))
    steepest = 2 * np.abs(np.diff(tile, axis=0)).max() * 3.0  # the largest zoom
    assert np.abs(np.diff(picture, axis=0)).max() < steepest
    assert picture.min() < 0.1 and picture.max() > 0.9


def test_a_calibration_renders_patches_that_the_training_has_not_seen(
    root: Path, stored: StoredCrops, tmp_path: Path
):
    settings = dict(type="StoredCrops", cache=str(root / "cache"), stored=STORED, root=str(root))
    fresh = rendered_anew(settings | SETTINGS | dict(clutter=0.5), 5, tmp_path)
    assert fresh.pop("type") == "StoredCrops"
    dataset = StoredCrops(**fresh)
    assert len(dataset) == len(dataset.scenes) == 5 and dataset.clutter == 0.5
    poses = [stored[index]["gt_pose"] for index in range(STORED)]
    assert not any(torch.equal(dataset[0]["gt_pose"], pose) for pose in poses)


@pytest.mark.parametrize("change", [dict(clutter=1.0), dict(white_balance=0.4)])
def test_clutter_and_white_balance_change_pictures_alone(
    root: Path, stored: StoredCrops, change: dict[str, float]
):
    changed = StoredCrops(str(root / "cache"), STORED, **change, root=str(root), **SETTINGS)
    for index in range(STORED):
        one = changed[index]
        other = stored[index]
        assert torch.equal(one["img"], changed[index]["img"])
        assert not torch.equal(one["img"], other["img"])
        for name in one.keys() - {"img"}:
            assert torch.equal(one[name], other[name]), name


@pytest.mark.parametrize("wrong", [dict(clutter=2.0), dict(white_balance=-1.0)])
def test_wrong_changes_are_refused(root: Path, stored: StoredCrops, wrong: dict[str, float]):
    (name,) = wrong
    with pytest.raises(UserError, match=f"{name} is"):
        StoredCrops(str(root / "cache"), STORED, **wrong, root=str(root), **SETTINGS)
