#!/usr/bin/env python
"""Prints measures of the package's structure as Markdown tables, for one or two trees side by side.

The measures are defined as follows. Everything is read from the source; nothing is imported.

* Imports of `pnp`: an arrow leads from a module to every module of `pnp` that it names in an
  import, also inside functions and under TYPE_CHECKING. A circle is a set of modules that can all
  reach each other. Floors are the modules of the longest chain of imports, with a circle as one.
* Body lines of a function: from its first statement after the docstring to its last line.
* Loose modules: Python files in the package's root, `__init__.py` and `__main__.py` excepted.
* Representations of a box: classes with array fields for a size and for a pose or a position, the
  box types of mmdet3d and the devkit that are imported, and rows of an annotation file.
* Tuple assignments: `a, b = x, y`, two assignments in one statement.

Example:
    python tools/code_metrics.py .
    python tools/code_metrics.py ../before .
"""

from __future__ import annotations

import argparse
import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import networkx

PACKAGE = "epropnp_det"
COLUMNS = 100
POSITIONS = {"pose", "center", "centre", "position", "translation", "location"}
SIZES = {"size", "wlh", "lhw", "dimensions"}
FOREIGN_BOXES = {"CameraInstance3DBoxes", "LiDARInstance3DBoxes", "Box", "DetectionBox"}
RAW_BOX = "bbox_cam3d"


@dataclass(frozen=True)
class Module:
    """One source file; `name` is the dotted name, without `__init__`."""

    name: str
    is_package: bool
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        """Folder of the package that holds the file; the package itself for loose modules."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 2 or (self.is_package and len(parts) > 1) else "."


def read_modules(root: Path) -> list[Module]:
    """All modules of the package in a tree, sorted by name."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    return [read_module(file, root) for file in files]


def read_module(file: Path, root: Path) -> Module:
    parts = file.relative_to(root).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    return Module(name, is_package, file.read_text())


def import_graph(modules: list[Module], prefix: str) -> networkx.DiGraph:
    """Graph of the explicit imports between the modules whose names begin with `prefix`."""
    known = {module.name for module in modules if f"{module.name}.".startswith(f"{prefix}.")}
    graph = networkx.DiGraph()
    graph.add_nodes_from(known)
    for module in modules:
        if module.name in known:
            targets = set(imported_names(module, known)) - {module.name}
            graph.add_edges_from((module.name, target) for target in targets)
    return graph


def imported_names(module: Module, known: set[str]) -> Iterator[str]:
    """Known modules that a module imports by name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(module, node)
            for alias in node.names:
                submodule = f"{source}.{alias.name}"
                if submodule in known or source in known:
                    yield submodule if submodule in known else source


def absolute_source(module: Module, node: ast.ImportFrom) -> str:
    """Dotted name of the module that an import statement takes names from."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    base = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def circles(graph: networkx.DiGraph) -> list[list[str]]:
    components = networkx.strongly_connected_components(graph)
    return sorted(sorted(component) for component in components if len(component) > 1)


def count_floors(graph: networkx.DiGraph) -> int:
    if not graph:
        return 0
    return networkx.dag_longest_path_length(networkx.condensation(graph)) + 1


def body_lengths(modules: list[Module]) -> list[int]:
    """Body lines of all functions."""
    return [
        body_length(node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def quantile(values: list[int], share: float) -> int:
    """The smallest value that is at least as large as a share of the values; 0 without values."""
    ordered = sorted(values)
    index = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[index] if ordered else 0


def long_line_share(modules: list[Module]) -> float:
    lines = [line for module in modules for line in module.text.splitlines()]
    return sum(len(line) > COLUMNS for line in lines) / max(len(lines), 1)


def count_tuple_assignments(modules: list[Module]) -> int:
    return sum(
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        for module in modules
        for node in ast.walk(module.tree)
    )


def loose_modules(modules: list[Module]) -> list[str]:
    names = (module.name.split(".") for module in modules if not module.is_package)
    return sorted(parts[1] for parts in names if len(parts) == 2 and parts[1] != "__main__")


def box_representations(modules: list[Module]) -> list[str]:
    """Names of the types that represent a box of an object."""
    found: set[str] = set()
    for module in modules:
        nodes = list(ast.walk(module.tree))
        found |= {node.name for node in nodes if isinstance(node, ast.ClassDef) and is_box(node)}
        imported = (node for node in nodes if isinstance(node, ast.ImportFrom))
        names = {alias.name for node in imported for alias in node.names}
        found |= names & FOREIGN_BOXES
        if RAW_BOX in module.text:
            found.add(RAW_BOX)
    return sorted(found)


def is_box(node: ast.ClassDef) -> bool:
    """Whether a class has array fields for a size and for a pose or position."""
    fields = {
        statement.target.id
        for statement in node.body
        if isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and (
            "Tensor" in ast.unparse(statement.annotation)
            or "ndarray" in ast.unparse(statement.annotation)
        )
    }
    return bool(fields & POSITIONS and fields & SIZES)


def structure(modules: list[Module]) -> dict[str, str]:
    """Measures of the whole package, by their names in the table."""
    graph = import_graph(modules, f"{PACKAGE}.pnp")
    circle_sizes = [str(len(circle)) for circle in circles(graph)]
    lengths = body_lengths(modules)
    loose = loose_modules(modules)
    boxes = box_representations(modules)
    return {
        "modules / imports of `pnp`": f"{len(graph)} / {graph.number_of_edges()}",
        "floors of `pnp` imports": str(count_floors(graph)),
        "circles of `pnp` imports (modules in each)": ", ".join(circle_sizes) or "none",
        "functions": str(len(lengths)),
        "body lines p50 / p90 / max": describe(lengths),
        f"lines over {COLUMNS} columns": f"{long_line_share(modules):.1%}",
        "tuple assignments": str(count_tuple_assignments(modules)),
        "loose modules at the root": count_and_names(loose),
        "representations of a box": count_and_names(boxes),
    }


def count_and_names(names: list[str]) -> str:
    return f"{len(names)}: {', '.join(f'`{name}`' for name in names)}"


def describe(lengths: list[int]) -> str:
    return f"{quantile(lengths, 0.5)} / {quantile(lengths, 0.9)} / {max(lengths, default=0)}"


def room_row(modules: list[Module]) -> list[str]:
    lengths = body_lengths(modules)
    sizes = [len(module.text.splitlines()) for module in modules]
    return [
        str(len(modules)),
        f"{statistics.median(sizes):.0f} / {max(sizes)}",
        str(len(lengths)),
        describe(lengths),
        f"{long_line_share(modules):.1%}",
    ]


def format_table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="+", type=Path, metavar="PATH", help="one or two trees")
    args = parser.parse_args()
    for tree in args.trees:
        if not (tree / PACKAGE / "__init__.py").is_file():
            parser.error(f"{tree}: no folder {PACKAGE} with an __init__.py; name a checkout")
    if len(args.trees) > 2:
        parser.error("give one or two trees")
    trees = {str(tree): read_modules(tree) for tree in args.trees}

    tables = [structure(modules) for modules in trees.values()]
    rows = [[name, *(table[name] for table in tables)] for name in tables[0]]
    print(format_table(["measure", *trees], rows))
    head = ["room", "files", "lines of a file p50 / max", "functions", "body lines p50 / p90 / max"]
    head.append(f"lines over {COLUMNS} columns")
    for tree, modules in trees.items():
        rooms = {module.room for module in modules}
        rows = [
            [f"`{room}`", *room_row([module for module in modules if module.room == room])]
            for room in sorted(rooms)
        ]
        print(f"\nRooms of {tree}:\n\n{format_table(head, rows)}")


if __name__ == "__main__":
    main()
