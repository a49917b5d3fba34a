"""Object models of a BOP data set: PLY meshes in mm, and their `models_info.json`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import image_size
from epropnp_det.errors import UserError

from ..rigid_pose import RigidPose
from .bop_forms import MODEL, by_number, read_bop_json
from .mesh_measures import diameter_of
from .symmetries import closed_symmetries, expand_symmetries

INFO_FILE = "models_info.json"
METRES = 1e-3
# mm; a model this small is in metres, one this large in micrometres.
SMALLEST_DIAMETER = 5.0
LARGEST_DIAMETER = 5000.0
# Relative difference between the file's diameter and that of the mesh.
DIAMETER_TOLERANCE = 0.02
# Share of a mesh's edges that may border one face only: scanned models have small holes, a lost
# face or side of a CAD model is more.
OPEN_EDGES = 0.01
# Smallest share of the model's box that lies on either side of its origin: coordinates are in units
# of the distance from the origin to the lower side.
LEAST_SIDE = 0.25
GREY = 160
# Members of a continuous symmetry that poses are compared over.
_TURNS = 64
_PLY_HEAD_BYTES = 2**16


@dataclass(frozen=True)
class MeshColors:
    """Colours of a mesh: of its corners, or of a texture where it has one.

    Args:
        corners: (F, 3, 3) uint8 RGB of the faces' corners; grey where the mesh has no colours.
        texture: (H, W, 3) uint8 RGB, or None.
        cells: (F, 3, 2) u, and v upwards, of the faces' corners in the texture, in [0, 1].
    """

    corners: np.ndarray
    texture: np.ndarray | None = None
    cells: np.ndarray | None = None

    @classmethod
    def of_mesh(cls, mesh: trimesh.Trimesh) -> MeshColors:
        """The colours of the vertices, the texture's, or grey for none."""
        visual: Any = mesh.visual
        grey = np.full((len(mesh.faces), 3, 3), GREY, np.uint8)
        if visual.kind == "vertex":
            return cls(np.asarray(visual.vertex_colors)[mesh.faces, :3])
        image = getattr(getattr(visual, "material", None), "image", None)
        if visual.kind != "texture" or image is None or visual.uv is None:
            return cls(grey)
        cells = np.asarray(visual.uv, dtype=np.float32)[mesh.faces]
        return cls(grey, np.asarray(image.convert("RGB")), cells)

    def at(self, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Colours (M, 3) in [0, 255] of points by face (M,) and barycentric weights (M, 3)."""
        if self.texture is None or self.cells is None:
            return np.einsum("mk,mkc->mc", weights, self.corners[faces])
        return look_up(self.texture, np.einsum("mk,mkc->mc", weights, self.cells[faces]))


@dataclass(frozen=True)
class ObjectModel:
    """A model in its own frame, in metres.

    Args:
        object_id: BOP's number of the object.
        vertices: (V, 3) [m].
        faces: (F, 3) vertex numbers.
        colors: colours of the faces.
        diameter: [m].
        box_min: (3,) [m], lower corner of the box around the model.
        box_size: (3,) [m].
        info: the object's entry of `models_info.json` [mm].
    """

    object_id: int
    vertices: np.ndarray
    faces: np.ndarray
    colors: MeshColors
    diameter: float
    box_min: np.ndarray
    box_size: np.ndarray
    info: Mapping[str, Any]

    @cached_property
    def symmetries(self) -> RigidPose:
        """All S poses under which the model stays the same, identity first [m]."""
        return expand_symmetries(self.info)

    @cached_property
    def symmetry_group(self) -> RigidPose:
        """Poses (G,) under which the model stays the same, identity first [m]: the discrete ones
        completed to a group, and 64 turns of each axis. See `closed_symmetries`.
        """
        return closed_symmetries(self.info, math.pi / _TURNS)

    @property
    def is_symmetric(self) -> bool:
        return bool(self.info.get("symmetries_discrete") or self.info.get("symmetries_continuous"))

    @property
    def half_extents(self) -> np.ndarray:
        """(3,) [m], |min x|, |min y|, |min z|: half the size of a model centred on its box."""
        return np.abs(self.box_min)

    @property
    def box_corners(self) -> np.ndarray:
        """Corners (8, 3) [m] of the box around the model."""
        units = np.stack(np.meshgrid(*[[0, 1]] * 3), axis=-1).reshape(-1, 3)
        return self.box_min + units * self.box_size

    @property
    def triangles(self) -> np.ndarray:
        """Corners of the faces (F, 3, 3) [m]."""
        return self.vertices[self.faces]


def load_models(folder: str | Path) -> dict[int, ObjectModel]:
    """All models of a folder by object id.

    Raises:
        UserError: no `models_info.json`, an entry without a key, a missing or broken mesh, or one
            in another unit, with holes or far from its origin.
    """
    folder = Path(folder)
    info = read_models_info(folder)
    return {object_id: load_model(folder, object_id, info[object_id]) for object_id in sorted(info)}


def load_model(folder: Path, object_id: int, info: Mapping[str, Any]) -> ObjectModel:
    """The model `object_id` of a folder, with its entry of `models_info.json`.

    Raises:
        UserError: a missing or broken mesh, or one in another unit than mm, with holes or far
            from its origin.
    """
    path = model_path(folder, object_id)
    mesh = read_mesh(path)
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    fault = unit_fault(mesh) or diameter_fault(mesh, info) or open_fault(mesh) or origin_fault(mesh)
    if fault:
        raise UserError(f"{path}: {fault}")
    return ObjectModel(
        object_id,
        vertices * METRES,
        np.asarray(mesh.faces),
        MeshColors.of_mesh(mesh),
        info["diameter"] * METRES,
        np.array([info[f"min_{axis}"] for axis in "xyz"]) * METRES,
        np.array([info[f"size_{axis}"] for axis in "xyz"]) * METRES,
        info,
    )


def model_path(folder: str | Path, object_id: int) -> Path:
    return Path(folder) / f"obj_{object_id:06d}.ply"


def read_models_info(folder: str | Path) -> dict[int, dict[str, Any]]:
    """`models_info.json` by object id, in mm, checked for its keys.

    Raises:
        UserError: the file is missing or has another form.
    """
    path = Path(folder) / INFO_FILE
    remedy = f"write it with: python tools/create_data.py bop --models {folder}"
    content = read_bop_json(path, remedy)
    if not content:
        raise UserError(f"{path} lists no object; {remedy}")
    models = by_number(content, str(path), remedy)
    for object_id, entry in models.items():
        MODEL.require(entry, f"{path}: object {object_id}", remedy)
    return models


def read_mesh(path: Path) -> trimesh.Trimesh:
    """The mesh of a file as it stands (in mm), its vertices neither merged nor reordered.

    Raises:
        UserError: the file is missing, cannot be read, or holds no triangle.
    """
    if not path.is_file():
        raise UserError(f"model {path} is missing; copy it there, or drop its object")
    _check_texture(path)
    try:
        mesh = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # trimesh raises whatever its parsers do
        raise UserError(f"model {path} cannot be read ({error}); export it as PLY again") from error
    if (
        isinstance(mesh, trimesh.Trimesh)
        and len(mesh.faces) > 0
        and np.isfinite(mesh.vertices).all()
    ):
        return mesh
    raise UserError(f"model {path} holds no finite triangles; export it as PLY again")


def _check_texture(path: Path) -> None:
    """Checks the image that the head of a PLY file names as its texture.

    Raises:
        UserError: it is outside the folder of the mesh, cannot be read, or is too large.
    """
    with path.open("rb") as file:
        head = file.read(_PLY_HEAD_BYTES).split(b"end_header")[0]
    for name in re.findall(rb"^comment TextureFile ([^\r\n]*)", head, re.MULTILINE):
        text = name.decode("utf-8", "replace").strip()
        try:
            image_size(file_under(path.parent, text))
        except UserError as error:
            raise UserError(f"model {path}: its TextureFile {text!r}: {error}") from error


def unit_fault(mesh: trimesh.Trimesh) -> str | None:
    """What is wrong with the size of a mesh that should be in mm, with the remedy."""
    size = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    if size < SMALLEST_DIAMETER:
        return f"the model is {size:.3g} mm large: it seems to be in metres; scale it by 1000"
    if size > LARGEST_DIAMETER:
        return f"the model is {size:.3g} mm large: its unit is not mm; scale it to mm"
    return None


def open_fault(mesh: trimesh.Trimesh) -> str | None:
    """What is wrong with a mesh that is not watertight, with the remedy."""
    merged = mesh.copy()
    merged.merge_vertices(merge_tex=True, merge_norm=True)
    low, high = np.sort(merged.edges, axis=1).astype(np.int64).T
    _, count = np.unique(low * len(merged.vertices) + high, return_counts=True)
    if (count == 1).mean() <= OPEN_EDGES:
        return None
    share = f"{100 * (count == 1).mean():.2g} % of its edges border one face only"
    return f"the mesh is not watertight: {share}; close its holes"


def origin_fault(mesh: trimesh.Trimesh) -> str | None:
    """What is wrong with a mesh whose origin is far from the middle of its box, with the remedy."""
    low, high = mesh.bounds
    share = -low / np.maximum(high - low, np.finfo(np.float64).tiny)
    if (np.abs(share - 0.5) <= 0.5 - LEAST_SIDE).all():
        return None
    middle = ", ".join(f"{value:.4g}" for value in (low + high) / 2)
    return f"the origin is not in the middle of the mesh; move the mesh by minus ({middle}) mm"


def diameter_fault(mesh: trimesh.Trimesh, info: Mapping[str, Any]) -> str | None:
    """Whether the diameter of `models_info.json` is not that of the mesh, with the remedy."""
    diameter = diameter_of(np.asarray(mesh.vertices, dtype=np.float64))
    if abs(diameter - info["diameter"]) <= DIAMETER_TOLERANCE * diameter:
        return None
    return (
        f"the mesh has a diameter of {diameter:.4g} mm and {INFO_FILE} says "
        f"{info['diameter']:.4g}; "
        "write that file again with: python tools/create_data.py bop --models "
        "and the folder, or scale the mesh"
    )


def look_up(texture: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Colours (..., 3) of a texture (H, W, 3) at (..., 2): u, and v upwards, in [0, 1]."""
    height, width = texture.shape[:2]
    column = np.clip(cells[..., 0] * width, 0, width - 1).astype(int)
    row = np.clip((1 - cells[..., 1]) * height, 0, height - 1).astype(int)
    return texture[row, column]
