"""Curves of any model's training, whatever it logs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "plot_training.py"


def plot(*paths: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, paths)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "extra", [{}, dict(position_error=3.0)], ids=["of another detector", "of ours"]
)
def test_losses_are_drawn(tmp_path, extra):
    records = [
        dict(mode="train", epoch=1, iter=step, loss_cls=1.0 / step, loss=2.0 / step, **extra)
        for step in (50, 100)
    ]
    (tmp_path / "a.log.json").write_text(
        "".join(json.dumps(record) + "\n" for record in [dict(seed=0), *records])
    )
    result = plot(tmp_path, tmp_path / "curves.png")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_a_folder_without_logs_is_one_line(tmp_path):
    result = plot(tmp_path, tmp_path / "curves.png")
    assert (
        result.returncode == 2
        and "has no *.log.json file" in result.stderr
        and result.stderr.count("\n") == 1
    )
