"""Import rules of the rooms, read from the source: every import counts, those inside functions and
under `TYPE_CHECKING` too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "epropnp_det"
ROOT = Path(__file__).parents[1]
# Old names for one release: they import the rooms that their contents moved to.
SHIMS = (f"{PACKAGE}.apis", f"{PACKAGE}.models", f"{PACKAGE}.datasets")
MODEL_LIBRARIES = ("torch", "torchvision", "mmcv", "mmdet", "mmdet3d", "mmseg")
FAMILIES = ("detection", "object_pose")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}


def imported_names(module: str, path: Path) -> Iterator[str]:
    """Absolute names of everything that a file imports, with the names after `from ... import`."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join(filter(None, [*(above if node.level else []), node.module]))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def owner(name: str) -> str | None:
    """The file of the package that a name is imported from; None for other packages."""
    while name and name not in FILES:
        name = name.rpartition(".")[0]
    return name or None


IMPORTS = {module: set(imported_names(module, path)) for module, path in FILES.items()}
ARROWS = {
    module: {owner(name) for name in names} - {None, module} for module, names in IMPORTS.items()
}


def room(module: str) -> str:
    """`epropnp_det.detection.boxes` -> `detection`; files at the root are rooms of their own."""
    return module.split(".")[1] if "." in module else PACKAGE


def files_of(*rooms: str) -> list[str]:
    return [module for module in FILES if room(module) in rooms]


def rooms_imported_by(name: str) -> set[str]:
    return {room(other) for module in files_of(name) for other in ARROWS[module]} - {name}


def libraries_imported_by(name: str) -> set[str]:
    return {found.split(".")[0] for module in files_of(name) for found in IMPORTS[module]}


def without_packages(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    """The graph without `__init__` files, which only list the names of their folder."""
    plain = {module for module in arrows if FILES[module].name != "__init__.py"}
    return {module: arrows[module] & plain for module in plain}


def test_the_layer_imports_torch_alone():
    allowed = {"torch", "triton", PACKAGE}
    standard = sys.stdlib_module_names
    assert libraries_imported_by("pnp") - allowed - set(standard) == set()
    assert rooms_imported_by("pnp") <= {PACKAGE}


@pytest.mark.parametrize("name", ["posterior", "drawing"])
def test_densities_and_pictures_import_no_models(name: str):
    assert not libraries_imported_by(name) & set(MODEL_LIBRARIES)
    assert rooms_imported_by(name) <= {"posterior", "errors"}


def test_pose_losses_import_the_layer_alone():
    assert rooms_imported_by("losses") <= {"pnp"}


def test_the_engine_imports_no_family():
    assert not rooms_imported_by("engine") & {*FAMILIES, "synthetic", "apis"}


@pytest.mark.parametrize("one, other", [FAMILIES, FAMILIES[::-1]])
def test_the_families_do_not_import_each_other(one: str, other: str):
    assert other not in rooms_imported_by(one)


def test_rooms_form_no_circle():
    graph = {
        name: rooms_imported_by(name) - {PACKAGE}
        for name in {room(module) for module in FILES if module not in SHIMS}
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which lists the circle


def test_files_form_no_circle():
    TopologicalSorter(without_packages(ARROWS)).prepare()


def test_the_classes_of_nuscenes_are_imported_by_the_data_alone():
    """The synthetic world is a nuScenes database, so it has the classes of nuScenes too."""
    allowed = (f"{PACKAGE}.detection.data", f"{PACKAGE}.synthetic")
    users = {
        module
        for module, arrows in ARROWS.items()
        if f"{PACKAGE}.detection.data.nuscenes_classes" in arrows
    }
    assert {module for module in users if not module.startswith(allowed)} == set()


def test_one_file_contains_the_boxes_of_mmdet3d():
    words = ("CameraInstance3DBoxes", "LiDARInstance3DBoxes", "bottom_center", "gravity_center")
    users = {module for module, path in FILES.items() if any(w in path.read_text() for w in words)}
    assert users == {f"{PACKAGE}.detection.boxes"}


def test_class_names_of_nuscenes_are_written_in_the_data_alone():
    """No file outside the data and the synthetic worlds writes class names of nuScenes."""
    from epropnp_det.detection.data.nuscenes_classes import ADMITTED_ATTRIBUTES, CLASSES

    names = {*CLASSES, *(name for group in ADMITTED_ATTRIBUTES.values() for name in group)}
    found = {
        (module, node.value)
        for module in files_of("detection", "drawing", "engine", "losses", "posterior")
        if not module.startswith(f"{PACKAGE}.detection.data")
        for node in ast.walk(ast.parse(FILES[module].read_text()))
        if isinstance(node, ast.Constant) and node.value in names - {"none"}
    }
    assert found == ALLOWED_NAMES


# Errors that the devkit does not define, and the pretraining's default for cones.
ALLOWED_NAMES = {
    (f"{PACKAGE}.detection.evaluation.nuscenes_metrics", "traffic_cone"),
    (f"{PACKAGE}.detection.evaluation.nuscenes_metrics", "barrier"),
    (f"{PACKAGE}.detection.pretraining.object_crops", "traffic_cone"),
}


# What writes a file, and reports no full disk, leaves half a file or does not name it.
UNCHECKED = ("imwrite", "savefig", "VideoWriter", "write_text", "write_bytes", "tofile", "touch")
ALLOWED_WRITES = {
    ("epropnp_det/engine/films.py", "VideoWriter"),  # counts the frames that are in the film
    ("epropnp_det/engine/films.py", "touch"),
    ("epropnp_det/engine/output_files.py", "savefig"),  # to memory
    ("tools/benchmark_pnp.py", "write_text"),  # to /proc
}


def test_results_are_written_by_the_checked_writers_alone():
    """Those of `engine.output_files` and `engine.films`, in the package and in every command."""
    files = [
        path for folder in (PACKAGE, "tools", "demo") for path in (ROOT / folder).rglob("*.py")
    ]
    found = {
        (str(path.relative_to(ROOT)), node.func.attr)
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr in UNCHECKED
    }
    assert found == ALLOWED_WRITES
