"""The rendered data set: read back by the reader, checked, and against its own poses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data import bop_dataset
from epropnp_det.object_pose.data.bop_check import check_dataset
from epropnp_det.object_pose.data.coordinate_maps import object_maps, pixel_centers
from epropnp_det.object_pose.data.models_info import describe
from epropnp_det.object_pose.data.object_models import (
    load_models,
    model_path,
    open_fault,
    read_mesh,
)
from epropnp_det.object_pose.data.ray_scenes import RayScenes
from epropnp_det.object_pose.data.symmetry_search import SymmetrySettings
from epropnp_det.object_pose.data.synthetic_bop import DatasetSettings, create
from epropnp_det.object_pose.rigid_pose import project
from tests import tolerances
from tests.object_pose import bop_factory

SETTINGS = DatasetSettings(images=1, training_scenes=1, test_scenes=1)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "bop"
    assert create(root, SETTINGS, processes=1) == 2
    return root


def test_the_check_finds_nothing(dataset: Path):
    counts, faults = check_dataset(dataset)
    assert summarize(faults) == []
    assert counts.models == 5 and set(counts.splits) == {"test", "train_pbr"}
    assert counts.targets > 0


def test_masks_and_visibility_are_those_of_the_poses(dataset: Path):
    scenes = RayScenes(load_models(dataset / "models"))
    for split in ("test", "train_pbr"):
        for image in bop_dataset.read_split(dataset, split):
            pixels = pixel_centers(*image.size)
            maps = object_maps(scenes, image.instances, image.camera_matrix, pixels)
            visible = np.zeros(pixels.shape[:2], int)
            union = np.zeros(pixels.shape[:2], bool)
            for instance, each in zip(image.instances, maps):
                assert (bop_dataset.read_mask(image, instance.index) != each.mask).sum() <= 2
                shown = bop_dataset.read_mask(image, instance.index, visible=True)
                assert (shown != each.visible).sum() <= 2
                assert 0 <= instance.visibility <= 1
                visible += shown
                union |= each.mask
            # Every pixel belongs to one object at most, and every covered pixel to one.
            assert visible.max() == 1 and np.abs(visible - union).sum() <= 4


def test_boxes_are_those_of_the_projected_models(dataset: Path):
    models = load_models(dataset / "models")
    for image in bop_dataset.read_split(dataset, "test"):
        for instance in image.instances:
            vertices = models[instance.object_id].vertices
            seen = project(instance.pose.apply(vertices), image.camera_matrix)
            box = instance.box
            assert np.abs(box[:2] - seen.min(axis=0)).max() < tolerances.SILHOUETTE
            assert np.abs(box[:2] + box[2:] - seen.max(axis=0)).max() < tolerances.SILHOUETTE
            inside = instance.visible_box
            assert (inside[:2] >= box[:2]).all()
            assert (inside[:2] + inside[2:] <= box[:2] + box[2:]).all()


def test_objects_stand_upright_at_their_distance(dataset: Path):
    models = load_models(dataset / "models")
    for image in bop_dataset.read_split(dataset, "train_pbr"):
        ups = np.array([each.pose.rotation[:, 2] for each in image.instances])
        assert np.abs(ups - ups[0]).max() < tolerances.EXACT
        for each in image.instances:
            relative = each.pose.translation[2] / models[each.object_id].diameter
            assert 2.5 <= relative <= 5


def test_the_picture_shows_the_objects(dataset: Path):
    """Contrast inside the silhouettes differs from that of a flat picture."""
    (image,) = bop_dataset.read_split(dataset, "test")
    picture = bop_dataset.read_image(image)
    assert picture.shape == (480, 640, 3)
    means = [
        picture[bop_dataset.read_mask(image, each.index, True)].mean(axis=0)
        for each in image.instances
        if each.visibility > 0.5
    ]
    assert np.ptp(means, axis=0).max() > 40


def test_files_depend_on_the_seed_alone_and_a_run_continues(dataset: Path, tmp_path: Path):
    again = Path(shutil.copytree(dataset, tmp_path / "bop"))
    scene = again / "test/000000"
    for path in (scene / ".records/000000.json", scene / "rgb/000000.jpg"):
        path.unlink()
    create(again, SETTINGS, processes=1)
    for name in ("rgb/000000.jpg", "scene_gt.json", "scene_gt_info.json", "scene_camera.json"):
        assert (scene / name).read_bytes() == (dataset / "test/000000" / name).read_bytes()
    with pytest.raises(UserError, match="was written with other settings"):
        create(again, DatasetSettings(seed=1), processes=1)


def test_the_models_are_closed_and_their_symmetries_are_found(dataset: Path):
    written = json.loads((dataset / "models/models_info.json").read_text())
    for key, entry in written.items():
        mesh = read_mesh(model_path(dataset / "models", int(key)))
        assert open_fault(mesh) is None
        found = describe(mesh, SymmetrySettings())
        for name in ("symmetries_discrete", "symmetries_continuous"):
            assert len(found.get(name, [])) == len(entry.get(name, [])), (key, name)


def test_the_tin_has_a_texture(dataset: Path):
    tin = load_models(dataset / "models")[2]
    assert tin.colors.texture is not None
    faces = np.arange(len(tin.faces))
    colors = tin.colors.at(faces, np.full((len(faces), 3), 1 / 3))
    assert len(np.unique(colors, axis=0)) > 5


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["--images", 0], "there is no image to write"),
        (["--processes", 0], "--processes is 0; it takes at least one"),
        (["--distance", 5, 3], "--distance takes two numbers above 1, the smaller one first"),
        (["--models", "/nowhere"], "models_info.json cannot be read"),
    ],
)
def test_wrong_arguments(call: Callable, tmp_path: Path, arguments: list, line: str):
    code, _, err = call("create_synthetic_bop", tmp_path / "out", *arguments)
    assert code == 2 and line in err and err.strip().count("\n") == 0


def test_a_folder_in_the_way(call: Callable, tmp_path: Path):
    (tmp_path / "other.txt").write_text("mine")
    code, _, err = call("create_synthetic_bop", tmp_path)
    assert code == 2 and "is not empty and has no synthetic_bop.json" in err


WRONG_MODELS = {
    "no folder": (lambda folder: shutil.rmtree(folder), "models_info.json cannot be read"),
    "metres": (lambda folder: rewrite(folder, scale=1e-3), "in metres; scale it by 1000"),
    "hole": (lambda folder: rewrite(folder, faces=slice(1, None)), "is not watertight"),
    "missing": (lambda folder: (folder / "obj_000001.ply").unlink(), "is missing; copy it there"),
}


def rewrite(folder: Path, scale: float = 1.0, faces: slice = slice(None)) -> None:
    """Writes the mesh of object 1 again, in another size or with some of its faces."""
    path = folder / "obj_000001.ply"
    mesh = trimesh.load(path, process=False)
    trimesh.Trimesh(scale * mesh.vertices, mesh.faces[faces], process=False).export(path)


@pytest.mark.parametrize("damage, line", WRONG_MODELS.values(), ids=WRONG_MODELS)
def test_wrong_models_are_one_line(
    call: Callable, tmp_path: Path, damage: Callable[[Path], None], line: str
):
    bop_factory.write_models(tmp_path / "models")
    damage(tmp_path / "models")
    options = ("--models", tmp_path / "models", "--images", 1, "--processes", 1)
    code, _, err = call("create_synthetic_bop", tmp_path / "out", *options)
    assert code == 2 and line in err and err.strip().count("\n") == 0
    assert not (tmp_path / "out" / "test").exists()
