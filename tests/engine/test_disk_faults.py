"""A training on a disk that is full or read-only ends in one line and leaves whole checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

from epropnp_det.engine.checkpoint import read_checkpoint

from .tiny_training import start, wait, write_config

OPTIONS = {
    "model.ballast": 500_000,  # two megabytes in a file
    "data.workers_per_gpu": 0,
    "runner.max_iters": 30,
    "checkpoint_config.interval": 1,
}


def error_lines(capfd: pytest.CaptureFixture) -> list[str]:
    error = capfd.readouterr().err
    assert "Traceback" not in error, error
    return [line for line in error.splitlines() if line.startswith("error: ")]


def test_a_full_disk_leaves_the_checkpoints_before(
    small_disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    config = write_config(tmp_path, "iterations")
    assert wait(start(config, 1, OPTIONS, work_dir=small_disk / "run")) == [2]
    [line] = error_lines(capfd)
    assert "No space left on device" in line
    written = list((small_disk / "run").glob("iter_*.pth"))
    assert len(written) > 1
    for path in written:
        read_checkpoint(path)
    assert not list((small_disk / "run").glob(".iter_*"))


def test_a_read_only_folder_is_named(
    read_only_disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    config = write_config(tmp_path, "iterations")
    assert wait(start(config, 1, OPTIONS, work_dir=read_only_disk / "run")) == [2]
    [line] = error_lines(capfd)
    assert str(read_only_disk / "run") in line and "Read-only file system" in line
