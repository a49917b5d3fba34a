"""The measures of the package's structure, on a small tree whose numbers are known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "code_metrics.py"

FILES = {
    "__init__.py": "",
    "errors.py": "class UserError(Exception):\n    pass\n",
    "pnp/__init__.py": "from .layer import Layer\n",
    "pnp/camera.py": "a, b = 1, 2\nc, d = divmod(7, 2)\n",
    # A circle that Python never meets: one arrow is inside a function, one for type checkers alone.
    "pnp/layer.py": (
        "from typing import TYPE_CHECKING\nfrom . import camera\n"
        "if TYPE_CHECKING:\n    from epropnp_det.pnp.ops import solve\n"
        "class Layer:\n    pass\n"
    ),
    "pnp/ops/__init__.py": "def solve():\n    from ..layer import Layer\n    return Layer\n",
    "pnp/alone.py": "from epropnp_det.errors import UserError\n",
    "detection/__init__.py": "",
    "detection/boxes.py": (
        "from mmdet3d.core import CameraInstance3DBoxes\nfrom torch import Tensor\n"
        "class Boxes3D:\n    pose: Tensor\n    size: Tensor\n"
        "class Losses:\n    position: float\n    size: float\n"
        'def f():\n    """Two lines\n    of text."""\n    x = 1\n\n    return x\n'
        "def g():\n    return 0  # " + 100 * "-" + "\n"
    ),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "epropnp_det" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def run_metrics(*trees: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, trees)], capture_output=True, text=True, check=False
    )


def rows(output: str) -> dict[str, list[str]]:
    cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in output.splitlines())
    return {first: rest for first, *rest in filter(None, cells)}


def test_measures_of_a_small_tree(tree: Path) -> None:
    shutil.copytree(tree / "epropnp_det", tree / "copy" / "epropnp_det")
    result = run_metrics(tree, tree / "copy")
    assert result.returncode == 0, result.stderr
    table = rows(result.stdout)
    # pnp -> circle of layer and ops -> camera: three floors, a circle being one.
    assert table["modules / imports of `pnp`"] == 2 * ["5 / 4"]
    assert table["floors of `pnp` imports"] == 2 * ["3"]
    assert table["circles of `pnp` imports (modules in each)"] == 2 * ["2"]
    assert table["functions"] == 2 * ["3"]
    assert table["body lines p50 / p90 / max"] == 2 * ["2 / 3 / 3"]
    assert table["tuple assignments"] == 2 * ["1"]
    assert table["loose modules at the root"] == 2 * ["1: `errors`"]
    assert table["representations of a box"] == 2 * ["2: `Boxes3D`, `CameraInstance3DBoxes`"]


def test_rows_of_the_rooms(tree: Path) -> None:
    table = rows(run_metrics(tree).stdout)
    assert table["`pnp`"] == ["5", "2 / 6", "1", "2 / 2 / 2", "0.0%"]
    assert table["`detection`"][0] == "2"
    assert table["`detection`"][-1] == f"{1 / 16:.1%}"
    assert table["`.`"][0] == "2"


def test_a_folder_without_the_package_is_one_line(tmp_path: Path) -> None:
    result = run_metrics(tmp_path)
    assert result.returncode == 2
    assert "no folder epropnp_det" in result.stderr.splitlines()[-1]
