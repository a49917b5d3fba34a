"""After a process is killed, torchrun starts all of them again, and the training resumes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from epropnp_det.engine.checkpoint import read_checkpoint
from tests.forked_processes import free_port

from .tiny_training import assert_same, start, wait, write_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("has_port", [False, True])
def test_a_killed_process_makes_all_start_again_and_end_with_the_same_checkpoint(
    tmp_path: Path, has_port: bool
) -> None:
    """Also where `MASTER_PORT` chooses the port on which the processes meet."""
    config = write_config(tmp_path, "iterations")
    whole = start(config, 2, work_dir=tmp_path / "whole")
    out = tmp_path / "restarted"
    arguments = ["--resume", "--device", "cpu", "--work-dir", out, "--cfg-options"]
    options = ["model.kill_at=9", "model.kill_rank=1", "log_level=INFO"]
    environment = dict(MAX_RESTARTS="1", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    if has_port:
        environment["MASTER_PORT"] = str(free_port())
    done = subprocess.run(
        [ROOT / "tools/dist_train.sh", config, "2", *arguments, *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"resumed {out}/iter_8.pth at epoch 2, iteration 8") == 1
    assert wait(whole) == [0, 0]
    first, second = (
        read_checkpoint(folder / "iter_11.pth") for folder in (tmp_path / "whole", out)
    )
    assert_same(first["state_dict"], second["state_dict"])
    assert_same(first["optimizer"], second["optimizer"])
