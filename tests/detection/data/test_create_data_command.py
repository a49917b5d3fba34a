"""The command as a user runs it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nuscenes_factory import VERSION

COMMAND = Path(__file__).parents[3] / "tools" / "create_data.py"


def run(*arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(COMMAND), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_has_an_example():
    for arguments in (["--help"], ["nuscenes", "--help"]):
        assert run(*arguments).returncode == 0
    assert "python tools/create_data.py nuscenes data/nuscenes" in run("--help").stdout


def test_writes_the_same_files_again(database: Path, tmp_path: Path):
    result = run("nuscenes", database, "--version", VERSION, "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    for split in ("train", "val"):
        name = f"nuscenes_mini_infos_{split}_mono3d.coco.json"
        assert (tmp_path / name).read_bytes() == (database / name).read_bytes()
        assert name in result.stdout


def test_conversion_starts_without_the_libraries_of_models(database: Path, tmp_path: Path):
    command = [sys.executable, "-X", "importtime", str(COMMAND), "nuscenes", str(database)]
    command += ["--version", VERSION, "--out", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "nuscenes" in imported
    assert not imported & {"torch", "mmcv", "mmdet", "mmdet3d"}


def wrong_root(root: Path) -> str:
    shutil.rmtree(root)
    return "is not a folder"


def missing_version(root: Path) -> str:
    (root / VERSION).rename(root / "v1.0-trainval")
    return "no folder v1.0-mini (found: v1.0-trainval)"


def missing_table(root: Path) -> str:
    (root / VERSION / "ego_pose.json").unlink()
    return "ego_pose.json is missing"


@pytest.mark.parametrize("damage", [wrong_root, missing_version, missing_table])
def test_bad_input_is_one_line_and_exit_code_2(database: Path, tmp_path: Path, damage):
    for name in (VERSION, "maps"):
        shutil.copytree(database / name, tmp_path / "data" / name)
    message = damage(tmp_path / "data")
    result = run("nuscenes", tmp_path / "data", "--version", VERSION)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr and result.stdout == ""
