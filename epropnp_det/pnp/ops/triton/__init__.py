"""Triton kernels for GPUs: what runs on the GPU, and the functions that launch it.

Nothing here imports triton before a kernel is launched.
"""

from __future__ import annotations

import importlib.util
import os
import shutil

import torch

# Triton makes what launches a kernel with a C compiler.
COMPILER = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
# The kernels pass tuples, which Triton compiles from 3.3 on: the one of torch 2.7. `TorchVersion`
# compares versions, not strings.
INSTALLED = (
    importlib.util.find_spec("triton") is not None
    and COMPILER is not None
    and torch.__version__ >= "2.7"
)
# Triton's interpreter computes kernels with numpy on CPU tensors, to find mistakes; it is very
# slow.
INTERPRETED = INSTALLED and os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"
