"""The compiled kernels as Python sees them: the build that fits this processor, and how tensors are
handed over.

They are called through ctypes: neither building nor loading them needs torch's headers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ...problem import PnPProblem

# The build for what torch says that this processor can do; `setup.py` makes them.
BUILDS = {"AVX512": "_avx512", "AVX2": "_avx2"}
DTYPES = {torch.float32: "float32", torch.float64: "float64"}
# Residuals never reach this threshold of Huber's kernel, which then is no kernel at all.
NO_KERNEL = 1e18

Argument = Tensor | int | bool | float | ctypes.Structure | None


class Objects(ctypes.Structure):
    """`Objects` of object.hpp: the tensors of a problem as pointers."""

    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in (
                "x3d",
                "x2d",
                "w2d",
                "matrix",
                "clip_min",
                "clip_max",
                "corner",
                "delta",
                "mask",
            )
        ),
        ("objects", ctypes.c_int64),
        ("points", ctypes.c_int64),
        ("z_min", ctypes.c_double),
    ]


class Plan(ctypes.Structure):
    """`Plan` of estimate.hpp: the random start (none without proposals), and the solver after
    it.
    """

    _fields_ = [
        (name, ctypes.c_int64)
        for name in ("proposals", "points", "start_iterations", "plain_gauss_newton", "iterations")
    ]


def build() -> str:
    """The build that suits this processor."""
    return BUILDS.get(torch.backends.cpu.get_cpu_capability(), "_baseline")


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, told once by a warning, where they were not built."""
    found = importlib.util.find_spec(f"{__package__}.{build()}")
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

    Tensors go as pointers: they must be contiguous, of the problem's dtype where they are not said
        to be otherwise, and are written
    to where the kernel says so.
    """
    objects, _held = _objects(problem)
    function(name, problem.dtype)(
        ctypes.byref(objects), *map(passed, arguments), ctypes.c_int(torch.get_num_threads())
    )


def sound(problem: PnPProblem) -> bool:
    """Whether all cameras can be inverted and all thresholds used."""
    objects, _held = _objects(problem)
    return bool(function("sound", problem.dtype)(ctypes.byref(objects)))


def within(values: Tensor, low: float, high: float) -> bool:
    """Whether all numbers are within limits, which a NaN is not."""
    held = values.detach().contiguous()
    return bool(
        function("within", values.dtype)(
            passed(held), passed(held.numel()), passed(float(low)), passed(float(high))
        )
    )


def function(name: str, dtype: torch.dtype) -> Any:
    """`name` of kernels.cpp for tensors of this dtype; returns an int."""
    compiled = library()
    assert compiled is not None, "asked only where it is supported"
    return getattr(compiled, f"{name}_{DTYPES[dtype]}")


def passed(argument: Argument) -> Any:
    """An argument as C takes it."""
    if isinstance(argument, Tensor):
        assert argument.is_contiguous(), "kernels know no strides"
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_double(argument)
    return None if argument is None else ctypes.c_int64(argument)


def _objects(problem: PnPProblem) -> tuple[Objects, list[Tensor | None]]:
    """A problem for C, and what must be held until the call returns: some of it are copies made
    here.
    """
    camera, points = problem.camera, problem.points
    delta = torch.full_like(problem.delta, NO_KERNEL) if problem.robust == "none" else problem.delta
    read = (
        points.x3d,
        points.x2d,
        points.w2d,
        camera.matrix,
        camera.clip_min,
        camera.clip_max,
        camera.image_origin,
        delta,
        points.mask,
    )
    with torch.no_grad():
        held = [None if tensor is None else tensor.contiguous() for tensor in read]
    pointers = (None if tensor is None else tensor.data_ptr() for tensor in held)
    return Objects(*pointers, problem.shape.numel(), points.x3d.shape[-2], camera.z_min), held


def fused_multiply_adds(rounds: int) -> float:
    """Computes with registers alone, on one core; returns how many float32 operations that were.
    For `tools/benchmark_pnp.py`.
    """
    compiled = library()
    assert compiled is not None, "asked only where it is there"
    compiled.fused_multiply_adds.restype = ctypes.c_double
    return float(compiled.fused_multiply_adds(ctypes.c_int64(rounds)))
