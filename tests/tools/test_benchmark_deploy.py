"""The benchmark of the runtimes compares each with FCOS3D."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.tolerances import EXACT_FLOAT32

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_deploy.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_deploy", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_deploy"] = module
    spec.loader.exec_module(module)
    return module


def test_the_table_has_medians_and_how_much_faster_than_fcos3d(tool: ModuleType) -> None:
    seconds = {"FCOS3D, torch": [4.0, 2.0, 3.0], "OpenVINO": [1.0, 1.5, 2.0]}
    table = tool.table({"r101": dict(seconds=seconds, pixels={"OpenVINO": 2e-4})})
    *_, baseline, ours = table.splitlines()
    assert baseline == "| r101 | FCOS3D, torch | 3.000 (2.000-4.000) | 1.00 | - |"
    assert ours == "| r101 | OpenVINO | 1.500 (1.000-2.000) | 2.00 | 0.0002 |"


def test_the_order_of_objects_is_no_difference(tool: ModuleType) -> None:
    points = torch.rand(5, 4, 2, generator=torch.Generator().manual_seed(0))
    assert tool.largest_difference(points.flip(0), points) == 0
    moved = points + torch.tensor([0.0, 0.01])
    assert tool.largest_difference(moved, points) == pytest.approx(0.01, abs=EXACT_FLOAT32)


@pytest.mark.slow
def test_every_runtime_of_the_small_model_is_timed(tool: ModuleType) -> None:
    paths = [tool.CONFIGS / config for config in tool.MODELS["small"]]
    result = tool.measured(*paths, 1)
    assert list(result["seconds"]) == ["FCOS3D, torch", "torch", "OpenVINO", "ONNX Runtime"]
    assert all(spent[0] > 0 for spent in result["seconds"].values())
    assert max(result["pixels"].values()) < 0.01
