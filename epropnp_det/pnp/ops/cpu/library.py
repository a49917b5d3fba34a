"""The compiled kernels as Python sees them: the build that fits this processor, and how tensors are
handed over.

They are called through ctypes: neither building nor loading them needs torch's headers.
"""

from __future__ import annotations

import ctypes
import importlib.util
import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from ..tensors import ProblemTensors

# The build for the instructions that torch finds in this processor; `setup.py` makes them.
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
                "image_origin",
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
        ("proposals", ctypes.c_int64),
        ("points", ctypes.c_int64),
        ("start_iterations", ctypes.c_int64),
        ("plain_gauss_newton", ctypes.c_int64),
        ("iterations", ctypes.c_int64),
        ("candidates", ctypes.c_int64),
        ("separation", ctypes.c_double),
    ]


def build() -> str:
    """The build that suits this processor."""
    return BUILDS.get(torch.backends.cpu.get_cpu_capability(), "_baseline")


def load(path: str) -> ctypes.CDLL | None:
    """A library of kernels; None where its structures are not those of this file, because it was
    built from another version.
    """
    compiled = ctypes.CDLL(path)
    try:
        sizes = (compiled.size_of_objects(), compiled.size_of_plan())
    except AttributeError:
        return None
    return compiled if sizes == (ctypes.sizeof(Objects), ctypes.sizeof(Plan)) else None


_FILE = importlib.util.find_spec(f"{__package__}.{build()}")
_COMPILED = None if _FILE is None or _FILE.origin is None else load(_FILE.origin)
BUILT = _COMPILED is not None


@cache
def library() -> ctypes.CDLL | None:
    """The compiled kernels; None, and one warning per process, where they were not built or come
    from another version.
    """
    if _COMPILED is not None:
        return _COMPILED
    warnings.warn(
        "epropnp_det.pnp runs on plain torch, many times slower than its compiled CPU kernels, "
        "which were not built, or from another version: "
        "install a C++ compiler (apt-get install g++) and run `pip install "
        "--no-build-isolation --no-deps -e .` again",
        stacklevel=2,
    )
    return None


def call(name: str, problem: ProblemTensors, *arguments: Argument) -> None:
    """Calls `name` of kernels.cpp for the objects of a problem, on as many threads as torch has.

    Tensors go as pointers: they must be contiguous and, where the kernel does not say otherwise, of
    the problem's dtype. The kernel writes to the last of them.
    """
    objects, _held = _objects(problem)
    function(name, problem.x3d.dtype)(
        ctypes.byref(objects), *map(passed, arguments), ctypes.c_int(torch.get_num_threads())
    )


def call_image_points(
    name: str, x2d: Tensor, w2d: Tensor, mask: Tensor | None, *arguments: Argument
) -> None:
    """`call` for what reads image points and weights alone."""
    held = [None if value is None else value.contiguous() for value in (x2d, w2d, mask)]
    objects = x2d.shape[:-2].numel()
    sizes = (ctypes.c_int64(objects), ctypes.c_int64(x2d.shape[-2]))
    function(name, x2d.dtype)(
        *map(passed, held), *sizes, *map(passed, arguments), ctypes.c_int(torch.get_num_threads())
    )


def cameras_usable(matrix: Tensor, delta: Tensor) -> bool:
    """Whether all camera matrices (..., 3, 3) can be inverted and all thresholds (...) used."""
    held = (_dense(matrix), _dense(delta))
    objects = Objects(matrix=pointer(held[0]), delta=pointer(held[1]), objects=delta.numel())
    return bool(function("sound", matrix.dtype)(ctypes.byref(objects)))


def _dense(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_contiguous() else tensor.detach().contiguous()


def within(values: Tensor, low: float, high: float) -> bool:
    """Whether all numbers are within limits, which a NaN is not."""
    held = _dense(values)
    return bool(
        function("within", values.dtype)(
            passed(held), passed(held.numel()), passed(float(low)), passed(float(high))
        )
    )


def function(name: str, dtype: torch.dtype) -> Any:
    """`name` of kernels.cpp for tensors of this dtype; returns an int.

    Raises:
        TypeError: tensors that are neither float32 nor float64.
        RuntimeError: the kernels were not built.
    """
    if dtype not in DTYPES:
        raise TypeError(f"the compiled kernels take float32 and float64, not {dtype}")
    compiled = library()
    if compiled is None:
        raise RuntimeError("the compiled CPU kernels were not built; use_backend('torch')")
    return getattr(compiled, f"{name}_{DTYPES[dtype]}")


def pointer(tensor: Tensor) -> int:
    """The address of a tensor's numbers.

    Raises:
        RuntimeError: a tensor that has no numbers in the memory of the CPU, or has them with
            strides.
    """
    if not tensor.is_cpu or tensor.layout is not torch.strided:
        raise RuntimeError(
            f"the compiled kernels read dense CPU tensors, not {tensor.layout} on {tensor.device}"
        )
    if not tensor.is_contiguous():
        raise RuntimeError("the compiled kernels read contiguous tensors")
    address = tensor.data_ptr()
    if address == 0 and tensor.numel():
        raise RuntimeError(f"the compiled kernels cannot read a {type(tensor).__name__} of no data")
    return address


def passed(argument: Argument) -> Any:
    """An argument as C takes it."""
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(pointer(argument))
    if isinstance(argument, ctypes.Structure):
        return ctypes.byref(argument)
    if isinstance(argument, float):
        return ctypes.c_double(argument)
    return None if argument is None else ctypes.c_int64(argument)


def _objects(problem: ProblemTensors) -> tuple[Objects, list[Tensor | None]]:
    """A problem for C, and the copies made here, which must live until the call returns."""
    delta = problem.delta
    if problem.robust == "none":
        delta = torch.full_like(delta, NO_KERNEL)
    camera = (problem.matrix, problem.clip_min, problem.clip_max, problem.image_origin)
    read = (problem.x3d, problem.x2d, problem.w2d, *camera, delta, problem.mask)
    held = [None if tensor is None else tensor.contiguous() for tensor in read]
    pointers = (None if tensor is None else pointer(tensor) for tensor in held)
    sizes = (problem.delta.numel(), problem.x3d.shape[-2])
    return Objects(*pointers, *sizes, problem.z_min), held


def fused_multiply_adds(rounds: int) -> float:
    """Computes with registers alone, on one core; returns how many float32 operations that were.
    For `tools/benchmark_pnp.py`.
    """
    compiled = library()
    if compiled is None:
        raise RuntimeError("the compiled CPU kernels were not built")
    compiled.fused_multiply_adds.restype = ctypes.c_double
    return float(compiled.fused_multiply_adds(ctypes.c_int64(rounds)))
