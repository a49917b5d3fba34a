"""The quickstart reports missing files before it starts anything; its config is a small change of
the model's.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from mmcv import Config

from epropnp_det.engine.checkpoint import read_checkpoint, state_dict_of
from epropnp_det.engine.config import build_model

ROOT = Path(__file__).parents[2]


def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess:
    command = [str(ROOT / "tools/quickstart.sh"), *arguments]
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, timeout=60, env=os.environ | settings
    )


def test_missing_weights_are_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    done = run(CHECKPOINT="nowhere.pth", OUT=str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("error: the trained weights nowhere.pth do not exist")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_help_and_arguments() -> None:
    assert "make quickstart" in run("--help").stdout
    assert run("anything").returncode == 2


def test_the_shipped_weights_are_all_that_the_model_needs() -> None:
    folder = ROOT / "configs" / "detection" / "synthetic"
    shipped = state_dict_of(read_checkpoint(folder / "epropnp_r18_varied.pth"))
    model = build_model(Config.fromfile(str(folder / "quickstart.py"))).state_dict()
    assert {name: value.shape for name, value in shipped.items() if name in model} == {
        name: value.shape for name, value in model.items()
    }
    quick, full = (
        Config.fromfile(str(folder / name)).model.bbox_head
        for name in ("quickstart.py", "epropnp_r18_varied.py")
    )
    assert (quick.objects, quick.dense_head) == (
        full.objects,
        full.dense_head,
    )  # weights of equal shapes can still be read differently


def test_the_training_is_a_short_one() -> None:
    quick, full = (
        Config.fromfile(str(ROOT / "configs" / "detection" / "synthetic" / name))
        for name in ("quickstart.py", "epropnp_r18_synthetic.py")
    )
    assert quick.data == full.data
    assert quick.runner.max_iters < 100 < full.runner.max_iters
