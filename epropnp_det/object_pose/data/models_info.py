"""Writes `models_info.json` for people who have nothing but meshes: diameter, box, symmetries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from tqdm import tqdm

from epropnp_det.engine.json_files import write_json
from epropnp_det.errors import UserError

from .mesh_measures import diameter_of
from .object_models import INFO_FILE, MeshColors, open_fault, origin_fault, read_mesh, unit_fault
from .symmetry_search import SymmetrySettings, find_symmetries


def write_models_info(
    folder: str | Path, settings: SymmetrySettings, overwrite: bool = False
) -> dict[int, dict[str, Any]]:
    """Measures every `obj_NNNNNN.ply` of a folder and writes `models_info.json` next to them.

    Raises:
        UserError: no mesh, a mesh in another unit than mm, with holes or far from its origin, or a
            file in the way.
    """
    folder = Path(folder)
    paths = mesh_files(folder)
    target = folder / INFO_FILE
    if target.exists() and not overwrite:
        raise UserError(f"{target} exists; give --overwrite to replace it")
    progress = tqdm(paths.items(), desc="models", unit="model", disable=None)
    info = {object_id: describe_mesh(path, settings) for object_id, path in progress}
    write_json(target, {str(object_id): entry for object_id, entry in info.items()}, indent=2)
    return info


def mesh_files(folder: Path) -> dict[int, Path]:
    """The meshes of a folder by object id.

    Raises:
        UserError: the folder holds none.
    """
    matches = [(re.fullmatch(r"obj_(\d+)\.ply", path.name), path) for path in folder.glob("*.ply")]
    files = {
        int(match[1]): path for match, path in sorted(matches, key=lambda each: each[1]) if match
    }
    if not files:
        raise UserError(f"{folder} holds no model; name the meshes obj_000001.ply, obj_000002.ply")
    return files


def describe_mesh(path: Path, settings: SymmetrySettings) -> dict[str, Any]:
    """The entry of a mesh in `models_info.json` [mm].

    Raises:
        UserError: the mesh is in another unit than mm, has holes or is far from its origin.
    """
    mesh = read_mesh(path)
    fault = unit_fault(mesh) or open_fault(mesh) or origin_fault(mesh)
    if fault:
        raise UserError(f"{path}: {fault}")
    return describe(mesh, settings)


def describe(mesh: trimesh.Trimesh, settings: SymmetrySettings) -> dict[str, Any]:
    """Diameter, box and symmetries of a mesh in mm."""
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    low = vertices.min(axis=0)
    size = np.ptp(vertices, axis=0)
    info: dict[str, Any] = {"diameter": diameter_of(vertices)}
    info |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low)}
    info |= {f"size_{axis}": float(value) for axis, value in zip("xyz", size)}
    return info | find_symmetries(mesh, MeshColors.of_mesh(mesh), settings).to_info()
