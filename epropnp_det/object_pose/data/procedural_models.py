"""The five objects of the embedded default, in mm: a bracket without symmetry, a tin that its label
alone makes asymmetric, a hexagonal prism with a boss, a bottle of revolution, a thin spanner.

Every model has its origin in the middle of its box, z upwards.
"""

from __future__ import annotations

import io
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.texture import SimpleMaterial, TextureVisuals

from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.output_files import write_bytes

from .mesh_measures import diameter_of
from .object_models import INFO_FILE, ObjectModel, load_models, model_path

# mm; models_eval has vertices this near to each other, as errors are means over vertices.
EVALUATION_EDGE = 15.0
_SECTIONS = 64
_TEXTURE_SIZE = (512, 256)


def bracket() -> trimesh.Trimesh:
    """An L of two plates, with a wide and a narrow hole in its foot."""
    parts = [
        tile_with_hole((-30, 0), 60, 16, 12),
        tile_with_hole((30, 0), 60, 8, 12),
        box((-54, 0, 66), (12, 60, 120)),
        box((-36, -24, 24), (24, 12, 36)),
    ]
    return painted(joined(parts), (196, 108, 44))


def tin() -> trimesh.Trimesh:
    """A cylinder; its label is a texture around the side."""
    turns = np.linspace(0, 1, _SECTIONS + 1)
    angles = 2 * np.pi * turns
    rings = [(0.0, -60.0, 0.02), (45.0, -60.0, 0.05), (45.0, 60.0, 0.95), (0.0, 60.0, 0.98)]
    rows = [
        np.stack([r * np.cos(angles), r * np.sin(angles), np.full_like(angles, z)], axis=-1)
        for r, z, _ in rings
    ]
    cells = [np.stack([turns, np.full_like(turns, v)], axis=-1) for _, _, v in rings]
    faces = np.concatenate([_strip(index, _SECTIONS) for index in range(len(rings) - 1)])
    mesh = trimesh.Trimesh(np.concatenate(rows), faces, process=False)
    mesh.update_faces(mesh.area_faces > 0)
    material = SimpleMaterial(image=Image.fromarray(label()))
    mesh.visual = TextureVisuals(uv=np.concatenate(cells), material=material)
    return mesh


def hexagonal_prism() -> trimesh.Trimesh:
    """A nut-like prism with a round boss on top: six-fold."""
    prism = trimesh.creation.cylinder(62, 50, sections=6)
    boss = trimesh.creation.cylinder(26, 44, sections=_SECTIONS)
    boss.apply_translation((0, 0, 46))
    parts = [painted(prism, (70, 110, 176)), painted(boss, (206, 206, 196))]
    return joined(parts)


def bottle() -> trimesh.Trimesh:
    """A surface of revolution with a dark cap and a band."""
    profile = [(0, 0), (34, 0), (36, 6), (36, 70), (33, 92), (18, 122), (13, 134), (13, 162)]
    profile += [(16, 163), (16, 188), (0, 190)]
    mesh = trimesh.creation.revolve(np.array(profile, dtype=np.float64), sections=_SECTIONS)
    mesh = subdivided(mesh, 12.0)
    height = mesh.vertices[:, 2]
    colors = np.where((height > 162.5)[:, None], (48, 46, 52), (64, 150, 92))
    colors = np.where(((height > 24) & (height < 58))[:, None], (226, 220, 196), colors)
    return with_colors(mesh, colors)


def spanner() -> trimesh.Trimesh:
    """A flat ring spanner, 1 cm thick; its rings are offset to opposite sides: two-fold about z."""
    ends = []
    for side in (-1, 1):
        angles = 2 * np.pi * np.arange(_SECTIONS) / _SECTIONS
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        center = np.array([side * 62.0, side * 7.0])
        ends.append(ring_prism(center + 13 * circle, center + 24 * circle, (-5, 5)))
    bar = box((0, 0, 0), (86, 18, 8))
    return painted(joined([*ends, bar]), (150, 154, 160))


def _six_fold() -> dict[str, Any]:
    matrices = [
        trimesh.transformations.rotation_matrix(k * math.pi / 3, (0, 0, 1)) for k in range(1, 6)
    ]
    return dict(symmetries_discrete=[matrix.ravel().tolist() for matrix in matrices])


OBJECTS: Sequence[tuple[Callable[[], trimesh.Trimesh], dict[str, Any]]] = (
    (bracket, {}),
    (tin, {}),
    (hexagonal_prism, _six_fold()),
    (bottle, dict(symmetries_continuous=[dict(axis=[0, 0, 1], offset=[0, 0, 0])])),
    (
        spanner,
        dict(symmetries_discrete=[[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]),
    ),
)


def write_procedural_models(root: Path) -> None:
    """Writes `models`, `models_eval` and their `models_info.json` below `root`, in mm."""
    info = {}
    for folder in ("models", "models_eval"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for object_id, (build, symmetries) in enumerate(OBJECTS, start=1):
        mesh = centered(build())
        write_ply(mesh, model_path(root / "models", object_id))
        plain = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
        plain.merge_vertices()
        write_ply(subdivided(plain, EVALUATION_EDGE), model_path(root / "models_eval", object_id))
        low = mesh.vertices.min(axis=0)
        size = np.ptp(mesh.vertices, axis=0)
        entry: dict[str, Any] = {"diameter": diameter_of(np.asarray(mesh.vertices))}
        entry |= {f"min_{axis}": float(value) for axis, value in zip("xyz", low)}
        entry |= {f"size_{axis}": float(value) for axis, value in zip("xyz", size)}
        info[str(object_id)] = entry | symmetries
    for folder in ("models", "models_eval"):
        write_json(root / folder / INFO_FILE, info, indent=2)


def load_procedural_models() -> dict[int, ObjectModel]:
    """The five objects by their number, without a folder of models."""
    with tempfile.TemporaryDirectory() as folder:
        write_procedural_models(Path(folder))
        return load_models(Path(folder) / "models")


def load_models_or_procedural(folder: str | Path | None) -> dict[int, ObjectModel]:
    """`load_models` of a folder; without one, the five objects."""
    return load_procedural_models() if folder is None else load_models(folder)


def write_ply(mesh: trimesh.Trimesh, path: Path) -> None:
    """Writes a PLY file; a texture goes next to it, as BOP's models have it."""
    visual: Any = mesh.visual
    if visual.kind != "texture":
        write_bytes(path, trimesh.exchange.ply.export_ply(mesh))
        return
    image = path.with_suffix(".png")
    pixels = io.BytesIO()
    visual.material.image.save(pixels, "PNG")
    write_bytes(image, pixels.getvalue())
    plain = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    plain.vertex_attributes["texture_u"] = visual.uv[:, 0].astype(np.float32)
    plain.vertex_attributes["texture_v"] = visual.uv[:, 1].astype(np.float32)
    content = trimesh.exchange.ply.export_ply(plain, include_attributes=True)
    first, rest = content.split(b"\nelement", 1)
    write_bytes(path, first + f"\ncomment TextureFile {image.name}\nelement".encode() + rest)


def centered(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh with the middle of its box at the origin."""
    moved = mesh.copy()
    moved.apply_translation(-mesh.bounds.mean(axis=0))
    return moved


def painted(mesh: trimesh.Trimesh, color: tuple[int, int, int]) -> trimesh.Trimesh:
    """The mesh in one colour (RGB)."""
    return with_colors(mesh, np.tile(np.array(color), (len(mesh.vertices), 1)))


def with_colors(mesh: trimesh.Trimesh, colors: np.ndarray) -> trimesh.Trimesh:
    """The mesh with colours (V, 3) RGB of its vertices."""
    opaque = np.column_stack([colors, np.full(len(colors), 255)]).astype(np.uint8)
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=opaque, process=False)


def joined(parts: Sequence[trimesh.Trimesh]) -> trimesh.Trimesh:
    """One mesh of several closed bodies."""
    whole: Any = trimesh.util.concatenate(list(parts))
    return whole


def subdivided(mesh: trimesh.Trimesh, edge: float) -> trimesh.Trimesh:
    """The mesh with edges no longer than `edge`."""
    whole: Any = mesh.subdivide_to_size(edge)
    return whole


def box(center: tuple[float, ...], size: tuple[float, ...]) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(center)
    return mesh


def tile_with_hole(
    center: tuple[float, float], side: float, radius: float, height: float
) -> trimesh.Trimesh:
    """A square plate, its lower face at z = 0, with a round hole in the middle."""
    angles = 2 * np.pi * np.arange(_SECTIONS) / _SECTIONS
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    square = circle / np.abs(circle).max(axis=-1, keepdims=True) * side / 2
    middle = np.array(center)
    return ring_prism(middle + radius * circle, middle + square, (0, height))


def ring_prism(inner: np.ndarray, outer: np.ndarray, z: tuple[float, float]) -> trimesh.Trimesh:
    """The closed solid between two loops (N, 2), counter-clockwise, from z[0] to z[1]."""
    count = len(inner)
    loops = [(outer, z[0]), (outer, z[1]), (inner, z[1]), (inner, z[0]), (outer, z[0])]
    vertices = [np.column_stack([loop, np.full(count, height)]) for loop, height in loops]
    closed = [np.concatenate([row, row[:1]]) for row in vertices]
    faces = np.concatenate([_strip(index, count) for index in range(len(loops) - 1)])
    mesh = trimesh.Trimesh(np.concatenate(closed), faces, process=False)
    mesh.merge_vertices()
    return mesh


def label() -> np.ndarray:
    """The tin's texture (H, W, 3): metal ends, and a label with a star, stripes and letters."""
    width, height = _TEXTURE_SIZE
    picture = np.full((height, width, 3), (176, 178, 182), np.uint8)
    low = int(0.08 * height)
    high = int(0.92 * height)
    picture[low:high] = (178, 40, 44)
    picture[low + 14 : low + 26] = (240, 214, 120)
    picture[high - 40 : high - 14 : 8] = (30, 36, 84)
    cv2.circle(picture, (120, 128), 52, (245, 240, 228), -1, cv2.LINE_AA)
    angles = np.arange(10) * math.pi / 5 - math.pi / 2
    reach = np.where(np.arange(10) % 2, 18, 44)[:, None]
    star = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * reach + (120, 128)
    cv2.fillPoly(picture, [star.astype(np.int32)], (22, 72, 150), cv2.LINE_AA)
    cv2.putText(
        picture, "EPRO", (230, 150), cv2.FONT_HERSHEY_DUPLEX, 2.4, (250, 246, 236), 5, cv2.LINE_AA
    )
    cv2.rectangle(picture, (450, 96), (492, 170), (30, 120, 60), -1)
    return picture


def _strip(index: int, count: int) -> np.ndarray:
    """Triangles between two neighbouring rows of count + 1 vertices."""
    first = index * (count + 1) + np.arange(count)
    second = first + count + 1
    lower = np.stack([first, first + 1, second + 1], axis=-1)
    upper = np.stack([first, second + 1, second], axis=-1)
    return np.concatenate([lower, upper])
