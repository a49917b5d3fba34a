"""Calls, counts and output of the benchmark of the layer."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from epropnp_det.pnp import ops

TOOL = Path(__file__).parents[2] / "tools" / "benchmark_pnp.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_pnp", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_pnp"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("dof", [4, 6])
@pytest.mark.parametrize("samples", [0, 8])
def test_calls_do_what_a_training_step_and_a_detection_do(
    tool: ModuleType, samples: int, dof: int
) -> None:
    case = tool.Case("small", 3, 16, samples, dof)
    for implementation in tool.implementations():
        with ops.use_backend(implementation):
            result = tool.call_of(case)()
        if samples:
            assert [tuple(gradient.shape) for gradient in result] == [
                (3, 16, 3),
                (3, 16, 2),
                (3, 16, 2),
            ]
            assert all(gradient.isfinite().all() and (gradient != 0).any() for gradient in result)
        else:
            assert result.valid.all()


def test_operations_are_counted_once(tool: ModuleType) -> None:
    assert tool.operations(lambda: torch.ones(3)) == 1
    assert tool.operations(lambda: torch.ones(3) + torch.ones(3)) == 3


def test_arithmetic_grows_with_points_and_samples(tool: ModuleType) -> None:
    case = tool.CASES["training-large"]
    assert tool.arithmetic(replace(case, objects=2 * case.objects)) == 2 * tool.arithmetic(case)
    more = tool.arithmetic(replace(case, samples=case.samples + 1)) - tool.arithmetic(case)
    assert more == case.objects * case.points * (47 + 84)


def test_table_has_a_row_for_each_result(tool: ModuleType) -> None:
    spent = dict(median=0.02, least=0.01, greatest=0.03)
    rest = dict(
        cpu_one_thread=spent,
        wall_two_threads=spent,
        operations=7,
        arithmetic=10**9,
        extra_memory=2**20,
    )
    one = dict(name="call", objects=4, points=5, samples=6, dof=4, **rest)
    faster = dict(
        one, implementation="cpp", cpu_one_thread=dict(spent, median=0.005), extra_memory=None
    )
    told = tool.table(
        [dict(one, implementation="torch"), faster], dict(peak_flops=1e11)
    ).splitlines()
    assert told[2] == "| call | 4x5x6 | torch | 20.0 (10.0-30.0) | 1.0x | 20.0 | 1.0 | 7 | 50% |"
    assert told[3] == "| call | 4x5x6 | cpp | 5.0 (10.0-30.0) | 4.0x | 20.0 | - | 7 | 200% |"
