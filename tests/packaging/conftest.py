"""A copy of the sources, and builds of it as `pip` and `python -m build` make them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("epropnp_det", "requirements")
FILES = (
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CITATION.cff",
)
NOT_SOURCES = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")

Build = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone without anything that was built: neither kernels nor metadata."""
    folder = tmp_path_factory.mktemp("clone")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=NOT_SOURCES)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def build(sources: Path) -> Build:
    """Runs `python -m build` on the sources; the tools are those of this environment."""

    def run(out: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *options]
        return subprocess.run(
            [*command, str(sources)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
