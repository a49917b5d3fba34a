"""The launch scripts refuse wrong arguments before they start processes."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [f"tools/{script}.sh", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "script, arguments, named",
    [
        ("dist_train", [], "PROCESSES"),
        ("dist_train", ["setup.py"], "PROCESSES"),
        ("dist_train", ["missing.py", "2"], "missing.py"),
        ("dist_train", ["setup.py", "two"], "'two'"),
        ("dist_train", ["setup.py", "0"], "'0'"),
        ("dist_test", ["setup.py", "2"], "CHECKPOINT"),
        ("dist_test", ["setup.py", "missing.pth", "2"], "missing.pth"),
        ("slurm_train", ["gpu", "job", "setup.py"], "WORK_DIR"),
        ("slurm_train", ["gpu", "job", "missing.py", "out"], "missing.py"),
        ("slurm_test", ["gpu", "job", "setup.py", "missing.pth"], "missing.pth"),
    ],
)
def test_wrong_arguments_are_one_line_that_names_them(
    script: str, arguments: list[str], named: str
) -> None:
    done = run(script, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_help_has_an_example(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert f"tools/{script}.sh " in done.stdout and " configs/" in done.stdout


def test_a_wrong_number_of_restarts_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_RESTARTS", "some")
    done = run("dist_train", "setup.py", "2")
    assert done.returncode == 2
    assert done.stderr == "error: MAX_RESTARTS must be a number from 0, not 'some'\n"


def test_a_port_that_is_no_number_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_PORT", "some")
    done = run("dist_train", "setup.py", "2")
    assert done.returncode == 2
    assert done.stderr == "error: MASTER_PORT must be a number, not 'some'\n"


def test_a_port_that_is_taken_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        monkeypatch.setenv("MASTER_PORT", str(taken.getsockname()[1]))
        done = run("dist_train", "setup.py", "2")
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "in use" in line and "MASTER_PORT" in line
    assert "Traceback" not in done.stderr
