"""The quickstart says what is missing before it starts anything; its config is a small change of the model's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mmcv import Config

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess:
    command = [str(ROOT / "tools/quickstart.sh"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, env=os.environ | settings)


def test_missing_weights_are_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    done = run(CHECKPOINT="nowhere.pth", OUT=str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr == (
        "error: the trained weights nowhere.pth are not there: this copy of the project lacks them; name others with CHECKPOINT=FILE\n"
    )
    assert not (tmp_path / "out").exists()


def test_help_and_arguments() -> None:
    assert "make quickstart" in run("--help").stdout
    assert run("anything").returncode == 2


def test_the_model_is_the_one_of_the_shipped_weights() -> None:
    folder = ROOT / "configs" / "synthetic"
    quick, full = (Config.fromfile(str(folder / name)) for name in ("quickstart.py", "epropnp_r18_synthetic.py"))
    assert quick.model == full.model and quick.data == full.data
    assert quick.runner.max_iters < 100 < full.runner.max_iters
