"""The doctor reports one line a check, wherever it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DOCTOR = Path(__file__).parents[2] / "tools" / "doctor.py"


def examine(*flags: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, *flags, str(DOCTOR)], capture_output=True, text=True, timeout=300
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_here_everything_required_works() -> None:
    code, lines = examine()
    assert code == 0, "\n".join(lines)
    assert lines[-1] == "everything that is required works"
    names = (
        "torch",
        "torchvision",
        "numpy",
        "OpenCV",
        "mmcv DCNv2",
        "mmcv nms_rotated",
        "mmcv roi_align",
        "mmdet3d",
        "nuScenes devkit",
    )
    for name in names:
        assert any(line.startswith(f"OK   {name} ") for line in lines), name


def test_without_any_package_it_says_what_to_do() -> None:
    code, lines = examine("-I", "-S")  # no site-packages
    assert code == 1
    failed = [line for line in lines if line.startswith("FAIL")]
    assert {"torch", "mmcv-full", "mmdet3d"} <= {line.split()[1] for line in failed}
    assert all(" -> " in line for line in failed)
    assert not any("Traceback" in line for line in lines)
