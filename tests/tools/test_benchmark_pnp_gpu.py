"""Output of the benchmark on a GPU, and its message without one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_pnp_gpu.py"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOL.parent))
    spec = importlib.util.spec_from_file_location("benchmark_pnp_gpu", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_has_a_row_for_each_result(tool: ModuleType) -> None:
    spent = dict(median=2.0, least=1.0, greatest=3.0)
    plain = dict(
        name="call",
        size="4x5x6",
        implementation="torch",
        time=spent,
        graph=spent,
        extra_memory=2**20,
        operations=7,
    )
    ours = dict(plain, implementation="triton", time=dict(spent, median=1.0))
    told = tool.table([plain, ours], dict(gpu="one")).splitlines()
    assert (
        told[2] == "| call | 4x5x6 | torch | 2.00 (1.00-3.00) | 1.0x | 2.00 (1.00-3.00) | 1.0 | 7 |"
    )
    assert (
        told[3].startswith("| call | 4x5x6 | triton | 1.00 (1.00-3.00) | 2.0x |")
        and told[-1] == "* gpu: one"
    )


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL), str(tmp_path / "out")]
    done = subprocess.run(
        command,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and "no GPU" in done.stderr and not (tmp_path / "out").exists()
