"""The compiled kernels as Python sees them: the build that fits this processor, and how tensors are handed over.

They are called through ctypes: neither building nor loading them needs torch's headers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ...problem import PnPProblem

# The build for what torch says that this processor can do; `setup.py` makes them.
BUILDS = {"AVX512": "_avx512", "AVX2": "_avx2"}
DTYPES = {torch.float32: "float32", torch.float64: "float64"}
# Residuals never reach this threshold of Huber's kernel, which then is no kernel at all.
NO_KERNEL = 1e18

Argument = Tensor | int | bool | ctypes.Structure | None


class Objects(ctypes.Structure):
    """`Objects` of object.hpp: the tensors of a problem as pointers."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x3d", "x2d", "w2d", "matrix", "clip_min", "clip_max", "corner", "delta")),
        ("objects", ctypes.c_int64),
        ("points", ctypes.c_int64),
        ("z_min", ctypes.c_double),
    ]


class StartSettings(ctypes.Structure):
    """`StartSettings` of start.hpp."""

    _fields_ = [(name, ctypes.c_int64) for name in ("proposals", "points", "iterations", "plain_gauss_newton")]


class First(ctypes.Structure):
    """`First` of sampler.hpp."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ("mean", "factor", "orientation", "width")), ("uniform", ctypes.c_double)]


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, told once by a warning, where they were not built."""
    build = BUILDS.get(torch.backends.cpu.get_cpu_capability(), "_baseline")
    found = importlib.util.find_spec(f"{__package__}.{build}")
    if found is not None and found.origin is not None:
        return ctypes.CDLL(found.origin)
    warnings.warn(
        "epropnp_det.pnp runs on plain torch, many times slower than its compiled CPU kernels, which were not built: "
        "install a C++ compiler (apt-get install g++) and run `pip install --no-build-isolation --no-deps -e .` again",
        stacklevel=2,
    )
    return None


def call(name: str, problem: PnPProblem, *arguments: Argument) -> None:
    """Calls `name` of kernels.cpp for the objects of a problem, on as many threads as torch has.

    Tensors go as pointers: they must be contiguous, of the problem's dtype where they are not said to be otherwise, and are written
    to where the kernel says so.
    """
    compiled = library()
    assert compiled is not None, "asked only where it is supported"
    camera, points = problem.camera, problem.points
    delta = torch.full_like(problem.delta, NO_KERNEL) if problem.robust == "none" else problem.delta
    read = (points.x3d, points.x2d, points.w2d, camera.matrix, camera.clip_min, camera.clip_max, camera.anchor, delta)
    # Held until the call returns: some are copies made here.
    held = [tensor.detach().contiguous() for tensor in read]
    objects = Objects(*(tensor.data_ptr() for tensor in held), problem.shape.numel(), points.x3d.shape[-2], camera.z_min)
    function = getattr(compiled, f"{name}_{DTYPES[points.x3d.dtype]}")
    function.restype = None
    function(ctypes.byref(objects), *map(_passed, arguments), ctypes.c_int(torch.get_num_threads()))


def fused_multiply_adds(rounds: int) -> float:
    """Computes with registers alone, on one core; returns how many float32 operations that were. For `tools/benchmark_pnp.py`."""
    compiled = library()
    assert compiled is not None, "asked only where it is there"
    compiled.fused_multiply_adds.restype = ctypes.c_double
    return float(compiled.fused_multiply_adds(ctypes.c_int64(rounds)))


def _passed(argument: Argument) -> object:
    if isinstance(argument, Tensor):
        assert argument.is_contiguous(), "kernels know no strides"
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    return None if argument is None else ctypes.c_int64(argument)
