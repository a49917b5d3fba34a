"""A training that is killed while it writes leaves whole checkpoints of its own, or none.

`EPROPNP_KILLS=50 python -m pytest tests/engine/test_killed_while_saving.py` kills more often.
"""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.checkpoint_folder import CheckpointFolder

from .tiny_training import start, wait, write_config

KILLS = int(os.environ.get("EPROPNP_KILLS", "4"))
OPTIONS = {
    "model.ballast": 4_000_000,
    "data.workers_per_gpu": 0,
    "runner.max_iters": 1000,
    "checkpoint_config.interval": 1,
    "checkpoint_config.max_keep_ckpts": 2,
}


def kill_while_saving(config: Path, folder: Path, seed: int, resume: bool, delay: float) -> None:
    """Starts a training, and kills it a moment after it begins to write a checkpoint."""
    [process] = start(config, 1, OPTIONS, work_dir=folder, seed=seed, resume=resume)
    deadline = time.monotonic() + 60
    saves = random.Random(seed).randint(1, 3)
    seen: set[str] = set()
    while len(seen) < saves and process.is_alive() and time.monotonic() < deadline:
        seen |= {path.name for path in folder.glob(f".iter_*.pth.{process.pid}")}
    time.sleep(delay)
    process.kill()
    assert wait([process]) == [-signal.SIGKILL]


def check(folder: Path, seed: int) -> int:
    """Checks all files; returns the number of steps of the newest checkpoint of the training."""
    for path in folder.glob("*.pth"):
        if path.is_symlink() and not path.exists():
            pytest.fail(f"{path} leads nowhere")
        read_checkpoint(path)
    names = CheckpointFolder(folder).names()
    latest = folder / "latest.pth"
    assert not latest.exists() or latest.resolve().name in names
    progress = [read_checkpoint(folder / name)["meta"]["progress"] for name in names]
    assert {each["seed"] for each in progress} <= {seed}
    return progress[-1]["iteration"] if progress else 0


def test_no_kill_leaves_a_half_checkpoint(tmp_path: Path) -> None:
    config = write_config(tmp_path, "iterations")
    folder = tmp_path / "run"
    rng = random.Random(0)
    seed = 0
    steps = 0
    for kill in range(KILLS):
        anew = kill % 4 == 2  # in a folder with checkpoints of an earlier training
        if anew:
            seed += 1
            steps = 0
        kill_while_saving(config, folder, seed, not anew, rng.uniform(0, 0.03))
        found = check(folder, seed)
        assert found >= steps, "a resumed training starts before its newest checkpoint"
        steps = found
    options = OPTIONS | {"runner.max_iters": steps + 2}
    assert wait(start(config, 1, options, work_dir=folder, seed=seed, resume=True)) == [0]
    assert check(folder, seed) == steps + 2
    assert not list(folder.glob(".iter_*"))
