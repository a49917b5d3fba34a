"""Measuring meshes: diameters, boxes, and symmetries of bodies whose symmetries are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from epropnp_det.object_pose.data.models_info import describe
from epropnp_det.object_pose.data.object_models import (
    MeshColors,
    load_models,
    model_path,
    read_mesh,
)
from epropnp_det.object_pose.data.symmetry_search import SymmetrySettings, find_symmetries
from tests import tolerances
from tests.object_pose import bop_factory

SETTINGS = SymmetrySettings()


def bracket() -> trimesh.Trimesh:
    foot = trimesh.creation.box((100, 20, 40))
    back = trimesh.creation.box((20, 20, 80))
    back.apply_translation((-40, 0, 50))
    return trimesh.util.concatenate([foot, back])


BODIES = {
    "bracket": (bracket(), 0, 0),
    "cuboid": (trimesh.creation.box((100, 60, 40)), 3, 0),
    "square bar": (trimesh.creation.box((60, 60, 100)), 7, 0),
    "hexagonal pyramid": (trimesh.creation.cone(30, 80, sections=6), 5, 0),
    "cylinder": (trimesh.creation.cylinder(30, 80, sections=64), 1, 1),
    "cone": (trimesh.creation.cone(30, 80, sections=64), 0, 1),
}


@pytest.mark.parametrize("mesh, discrete, continuous", BODIES.values(), ids=BODIES)
def test_symmetries_of_bodies(mesh: trimesh.Trimesh, discrete: int, continuous: int):
    moved = mesh.copy()
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler("xyz", (20, 50, -70), degrees=True).as_matrix()
    motion[:3, 3] = (3, -8, 5)
    moved.apply_transform(motion)
    found = find_symmetries(moved, MeshColors.of_mesh(moved), SETTINGS)
    assert (len(found.discrete), len(found.continuous)) == (discrete, continuous)
    for pose in found.discrete:  # every one lays the corners of the body onto its surface
        turned = pose.apply(np.asarray(moved.vertices))
        away = np.abs(turned[:, None] - moved.vertices[None]).max(axis=-1).min(axis=1)
        if not continuous:
            assert away.max() < tolerances.SYMMETRY * moved.scale
    for point, axis in found.continuous:
        assert np.abs(np.cross(axis, motion[:3, 2])).max() < tolerances.EXACT
        assert np.abs(np.cross(point - moved.center_mass, axis)).max() < tolerances.SYMMETRY


def test_colours_break_a_symmetry():
    mesh = trimesh.creation.cylinder(30, 80, sections=64)
    mesh.visual.vertex_colors = np.where(mesh.vertices[:, :1] > 0, 230, np.full((1, 4), 90))
    striped = MeshColors.of_mesh(mesh)
    found = find_symmetries(mesh, striped, SETTINGS)
    assert not found.continuous
    shape = find_symmetries(mesh, striped, SymmetrySettings(color_tolerance=None))
    assert len(shape.continuous) == 1


def test_measures_of_a_cuboid():
    info = describe(trimesh.creation.box((100, 60, 40)), SETTINGS)
    assert abs(info["diameter"] - np.sqrt(100**2 + 60**2 + 40**2)) < 1e-9
    assert [info[f"min_{axis}"] for axis in "xyz"] == [-50, -30, -20]
    assert [info[f"size_{axis}"] for axis in "xyz"] == [100, 60, 40]
    assert len(info["symmetries_discrete"]) == 3 and "symmetries_continuous" not in info


def test_the_command_writes_what_the_reader_reads(call: Callable, tmp_path: Path):
    bop_factory.write_models(tmp_path)
    written = json.loads((tmp_path / "models_info.json").read_text())
    code, _, err = call("create_data", "bop", "--models", tmp_path)
    assert code == 2 and "exists; give --overwrite" in err
    code, out, _ = call("create_data", "bop", "--models", tmp_path, "--overwrite")
    assert code == 0 and "object 2: diameter 120.4 mm" in out
    models = load_models(tmp_path)
    for key, entry in written.items():
        assert abs(models[int(key)].info["diameter"] - entry["diameter"]) < 1e-4
    assert len(models[1].symmetries.translation) == 4
    assert len(models[2].symmetries.translation) == 630


@pytest.mark.parametrize("wrong", ["metres", "hole", "corner", "none"])
def test_a_wrong_mesh_is_one_line(call: Callable, tmp_path: Path, wrong: str):
    mesh = trimesh.creation.box((100, 60, 40))
    if wrong == "metres":
        mesh.apply_scale(1e-3)
    if wrong == "hole":
        mesh.update_faces(np.arange(len(mesh.faces)) != 0)
    if wrong == "corner":
        mesh.apply_translation((50, 0, 0))
    mesh.export(tmp_path / ("model.ply" if wrong == "none" else "obj_000001.ply"))
    code, _, err = call("create_data", "bop", "--models", tmp_path)
    lines = dict(
        metres="in metres; scale it by 1000",
        hole="not watertight",
        corner="move the mesh by minus (50, 0, 0) mm",
        none="name the meshes obj_000001.ply",
    )
    assert code == 2 and lines[wrong] in err and err.strip().count("\n") == 0


def test_symmetries_of_scanned_models(lmo_folder: Path):
    """At a tolerance for scans, the symmetric models are those that the data set lists."""
    settings = SymmetrySettings(tolerance=0.06)
    for object_id, model in load_models(lmo_folder / "models").items():
        mesh = read_mesh(model_path(lmo_folder / "models", object_id))
        found = find_symmetries(mesh, model.colors, settings)
        assert len(found.discrete) == len(model.info.get("symmetries_discrete", []))
        assert not found.continuous
