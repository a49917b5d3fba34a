"""The soak command measures a process with its children, and the calls of `detect`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PARENT = """
import subprocess, sys
child = "import time; time.sleep(3)"
subprocess.run([sys.executable, "-c", child])
"""


def test_a_command_is_measured_together_with_its_child(call, tmp_path: Path) -> None:
    command = ("--", sys.executable, "-c", PARENT)
    code, out, _ = call("soak", tmp_path, "train", "--every", 0.5, *command)
    found = read(tmp_path / "train.jsonl")
    assert code == 0
    assert max(one["processes"] for one in found) == 2
    assert "threads" in out
    assert all(0 <= one["memory"] < 1000 for one in found)
    assert (tmp_path / "soak.png").stat().st_size > 1000


def test_a_command_that_fails_is_an_error(call, tmp_path: Path) -> None:
    code, _, error = call("soak", tmp_path, "train", "--every", 0.1, "--", "false")
    assert code != 0
    assert "exit code 1" in error


def test_calls_of_detect_are_measured(call, tmp_path: Path) -> None:
    assert call("soak", tmp_path, "detect", "--calls", 4, "--every", 2)[0] == 0
    assert len(read(tmp_path / "detect.jsonl")) == 3


def read(file: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in file.read_text().splitlines()]
