"""The launch scripts refuse wrong arguments before they start processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [f"tools/{script}.sh", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "script, arguments, fault",
    [
        ("dist_train", [], "usage: tools/dist_train.sh CONFIG PROCESSES"),
        ("dist_train", ["setup.py"], "usage: tools/dist_train.sh CONFIG PROCESSES"),
        ("dist_train", ["missing.py", "2"], "config missing.py does not exist"),
        (
            "dist_train",
            ["setup.py", "two"],
            "the number of processes must be a positive number, not 'two'",
        ),
        (
            "dist_train",
            ["setup.py", "0"],
            "the number of processes must be a positive number, not '0'",
        ),
        ("dist_test", ["setup.py", "2"], "usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES"),
        ("dist_test", ["setup.py", "missing.pth", "2"], "checkpoint missing.pth does not exist"),
    ],
)
def test_wrong_arguments(script: str, arguments: list[str], fault: str) -> None:
    done = run(script, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {fault}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["dist_train", "dist_test"])
def test_help(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert f"  tools/{script}.sh configs/" in done.stdout
