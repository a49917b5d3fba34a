"""Commands that are killed leave no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.synthetic import repetition
from tests.nuscenes_factory import VERSION, write_database
from tests.object_pose.bop_factory import write_camera, write_dataset
from tests.object_pose.small_run import write_network

ROOT = Path(__file__).parents[2]
START = 300  # seconds until a command on a busy machine has its workers
END = 10  # seconds until they end
COPIES = 40  # of four samples, which are converted in parts of 20


def of_session(leader: int) -> set[int]:
    """Processes of a session that run."""
    found = set()
    for process in psutil.process_iter():
        try:
            is_running = process.status() != psutil.STATUS_ZOMBIE
            if is_running and os.getsid(process.pid) == leader:
                found.add(process.pid)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


def check_nothing_is_left(*arguments: object, workers: int = 2) -> None:
    """Kills a command as soon as it has so many workers."""
    command = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1"),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START
        while len(of_session(command.pid)) < 1 + workers:
            assert command.poll() is None, f"ended with {command.returncode} before it had workers"
            assert time.monotonic() < deadline, "has no workers"
            time.sleep(0.02)
        command.kill()
        command.wait()
        deadline = time.monotonic() + END
        while left := of_session(command.pid):
            assert time.monotonic() < deadline, f"processes are left: {left}"
            time.sleep(0.05)
    finally:
        for process in of_session(command.pid):
            os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def nuscenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_database(tmp_path_factory.mktemp("nuscenes") / "data")
    nuscenes_convert.write_annotation_files(root, VERSION)
    return root


def test_a_training_of_the_detector(nuscenes: Path, tmp_path: Path) -> None:
    config = "configs/detection/synthetic/quickstart.py"
    options = ["data.workers_per_gpu=2", "data.samples_per_gpu=1"]
    check_nothing_is_left(
        *("tools/train.py", config, "--data-root", nuscenes, "--work-dir", tmp_path),
        *("--device", "cpu", "--cfg-options", *options),
    )


def test_a_training_on_rendered_crops(tmp_path: Path) -> None:
    write_dataset(tmp_path)
    write_camera(tmp_path)
    write_network(tmp_path)
    options = ["data.workers_per_gpu=2", "runner.max_iters=10000"]
    check_nothing_is_left(
        *("tools/train.py", tmp_path / "small.py", "--work-dir", tmp_path / "out"),
        *("--device", "cpu", "--cfg-options", *options),
    )


@pytest.mark.parametrize(
    "tool, arguments",
    [
        ("create_synthetic_nuscenes", ["--preset", "test", "--processes", "2"]),
        ("create_synthetic_bop", ["--images", "20", "--processes", "2"]),
    ],
)
def test_a_tool_that_renders(tmp_path: Path, tool: str, arguments: list[str]) -> None:
    check_nothing_is_left(f"tools/{tool}.py", tmp_path / "out", *arguments)


def test_the_conversion_of_lidar_files(nuscenes: Path, tmp_path: Path) -> None:
    long = repetition.repeat_database(nuscenes, tmp_path / "data", COPIES)
    check_nothing_is_left(
        *("tools/create_data.py", "nuscenes", long, "--version", repetition.VERSION),
        *("--lidar", "--processes", "2"),
    )
