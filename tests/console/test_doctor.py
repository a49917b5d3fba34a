"""The doctor prints one line per check, with a remedy for each failure, on any machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "tools" / "doctor.py"
LAYER = ("System", "Python", "torch", "epropnp_det.pnp", "CPU kernels")
DETECTOR = (
    "torchvision",
    "numpy",
    "OpenCV",
    "mmcv DCNv2",
    "mmcv nms_rotated",
    "mmcv roi_align",
    "mmdet3d",
    "nuScenes devkit",
    "epropnp_det",
)


def run_doctor(*command: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def passed(lines: list[str], name: str) -> bool:
    return any(line.startswith(f"OK   {name} ") for line in lines)


def test_every_required_check_passes_here() -> None:
    code, lines = run_doctor(str(SCRIPT))
    assert code == 0, "\n".join(lines)
    assert lines[-1] == "everything that is required works"
    assert [name for name in (*LAYER, *DETECTOR) if not passed(lines, name)] == []


def test_the_layer_alone() -> None:
    code, lines = run_doctor("-m", "epropnp_det", "doctor", "--layer")
    assert code == 0, "\n".join(lines)
    assert [name for name in LAYER if not passed(lines, name)] == []
    assert [name for name in DETECTOR if passed(lines, name)] == []


def test_without_any_package_each_failure_has_a_remedy() -> None:
    code, lines = run_doctor("-I", "-S", str(SCRIPT))  # no site-packages
    assert code == 1
    failed = [line for line in lines if line.startswith("FAIL")]
    assert {"torch", "mmcv-full", "mmdet3d"} <= {line.split()[1] for line in failed}
    assert all(" -> " in line for line in failed)
    assert not any("Traceback" in line for line in lines)
