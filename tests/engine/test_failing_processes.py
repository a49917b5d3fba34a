"""A training ends soon after one of its processes, and leaves whole checkpoints."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from epropnp_det.engine.checkpoint import read_checkpoint

from .tiny_training import start, wait, write_config

OPTIONS = {"model.kill_rank": 1, "checkpoint_config.interval": 1}
SECONDS = 60  # of which most are the start of the processes


@pytest.mark.parametrize("fault", ["kill_at", "fail_at"])
def test_the_other_process_ends_too(tmp_path: Path, fault: str) -> None:
    config = write_config(tmp_path, "iterations")
    options = OPTIONS | {f"model.{fault}": 3}
    begin = time.monotonic()
    other, broken = wait(start(config, 2, options, work_dir=tmp_path / "run"))
    assert time.monotonic() - begin < SECONDS
    assert broken == (-signal.SIGKILL if fault == "kill_at" else 1)
    assert other not in (None, 0)
    written = list((tmp_path / "run").glob("iter_*.pth"))
    assert written
    for path in written:
        read_checkpoint(path)


def test_a_killed_loader_of_images_ends_the_training_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    config = write_config(tmp_path, "iterations")
    options = {"data.train.kill_at": 4, "data.workers_per_gpu": 1}
    begin = time.monotonic()
    assert wait(start(config, 1, options, work_dir=tmp_path / "run")) == [2]
    assert time.monotonic() - begin < SECONDS
    error = capfd.readouterr().err
    (line,) = [line for line in error.splitlines() if line.startswith("error: ")]
    assert "killed" in line and "workers_per_gpu" in line
    assert "Traceback" not in error
