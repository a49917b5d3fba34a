"""What is known of the Triton kernels where there is no GPU: that they compile for one, and what
they compute in the interpreter.

The interpreter runs the kernels' Python, so it does not see what the compiler refuses; the compiler
needs no GPU, but computes nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from epropnp_det.pnp.ops.triton import DEVICE, INSTALLED

pytestmark = pytest.mark.skipif(
    not INSTALLED or DEVICE == "cpu", reason="needs triton and a C compiler, and no interpreter"
)

ROOT = Path(__file__).parents[2]
SIZES = ("objects", "points", "samples", "iterations")


@pytest.mark.slow
def test_kernels_compute_in_the_interpreter_what_plain_torch_does() -> None:
    """In a process of its own, because Triton decides once, when it is imported, whether to
    interpret.
    """
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/pnp/test_triton.py",
    ]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and re.search(r"^\d+ passed", done.stdout, re.MULTILINE), (
        done.stdout + done.stderr
    )


# A kernel, what is compiled into it and its warps, as the operators launch it for many points.
LAUNCHES: list[tuple[str, dict[str, Any], int]] = [
    ("cost", dict(SAMPLES=16, POINTS=64), 4),
    ("gradient", dict(SAMPLES=16, POINTS=32), 4),
    ("linearize", dict(ZERO_CLIPPED=True, POINTS=128), 4),
    ("solve", dict(LM=True, EPS=1e-7, POINTS=16), 1),
    ("solve", dict(LM=False, EPS=1e-7, POINTS=128), 4),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "dim, huber, capability", [(4, True, 90), (4, False, 80), (7, True, 80), (7, False, 90)]
)
@pytest.mark.parametrize(
    "name, known, warps", LAUNCHES, ids=[f"{name}-{warps}" for name, _, warps in LAUNCHES]
)
def test_kernels_compile_for_a_gpu(
    name: str, known: dict[str, Any], warps: int, dim: int, huber: bool, capability: int
) -> None:
    """To machine code of Ampere (8.0) and Hopper (9.0), for float32."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from epropnp_det.pnp.ops.triton import kernels

    kernel = getattr(kernels, f"{name}_kernel")
    types = {argument: "i32" if argument in SIZES else "*fp32" for argument in kernel.arg_names}
    known = dict(known, DIM=dim, HUBER=huber, Z_MIN=0.1)
    source = ASTSource(kernel, {**types, **dict.fromkeys(known, "constexpr")}, known)
    compiled = triton.compile(
        source, target=GPUTarget("cuda", capability, 32), options={"num_warps": warps}
    )
    assert compiled.asm["cubin"] and f"sm_{capability}" in compiled.asm["ptx"]
