"""The plot of the coverage of object poses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "plot_pose_coverage.py"


def write_levels(path: Path, symmetric: bool) -> Path:
    level = dict(object_id=1, symmetric=symmetric, position=0.6, orientation=0.4, pose=0.92)
    path.parent.mkdir()
    path.write_text(json.dumps([level, dict(level, position=0.2)]))
    return path


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_picture_and_the_shares_of_each_test(tmp_path: Path):
    files = [write_levels(tmp_path / name / "levels.json", False) for name in ("one", "other")]
    done = run(tmp_path / "new" / "coverage.png", *files)
    assert done.returncode == 0, done.stderr
    assert "one: 2 objects\n  coverage position 0.5: 50.0 %" in done.stdout
    assert "coverage pose 0.9: 0.0 %" in done.stdout and "other: 2 objects" in done.stdout
    assert (tmp_path / "new" / "coverage.png").stat().st_size > 1000


@pytest.mark.parametrize(
    "extra, line",
    [
        (["--titles", "one", "two"], "--titles takes one title for each file"),
        (["--without-symmetries"], "every object has symmetries"),
    ],
)
def test_wrong_arguments_end_in_one_line(tmp_path: Path, extra: list[str], line: str):
    file = write_levels(tmp_path / "levels" / "levels.json", True)
    done = run(tmp_path / "coverage.png", file, *extra)
    assert done.returncode != 0 and line in done.stderr and "Traceback" not in done.stderr
