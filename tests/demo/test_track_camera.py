"""`demo/track_camera.py` on a few rendered frames."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tolerances import TRACKED_METRES

DEMO = Path(__file__).parents[2] / "demo"


@pytest.mark.slow
def test_command_writes_picture_and_numbers(tmp_path: Path) -> None:
    out = tmp_path / "track.png"
    command = [sys.executable, str(DEMO / "track_camera.py"), "--frames", "4", "--points", "80"]
    command += ["--work-dir", str(tmp_path / "drive"), "--out", str(out)]
    command += ["--outliers", "0", "0.3", "--draws", "2"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    numbers = json.loads(out.with_suffix(".json").read_text())
    assert out.exists() and set(numbers) == {"0", "0.3"}
    for table in numbers.values():
        assert set(table["solvers"]) == {"layer, prior", "layer, no prior", "RANSAC"}
    solvers = numbers["0"]["solvers"]
    assert all(row["ate_metres"] < TRACKED_METRES for row in solvers.values())
