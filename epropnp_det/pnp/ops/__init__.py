"""The expensive operations of the layer: as torch operators with kernels for CPU and GPU tensors,
and in plain torch.

`operators` has the schemas, `torch_impl` the reference, `cpu` and `triton` the kernels, and
`backend` decides between them. Operators take tensors, so this package imports no problem and no
camera.
"""

from . import backend, operators, torch_impl
from .backend import available, has_kernel, has_kernel_for, reads_values, use_backend
from .tensors import ProblemTensors, each_sample

__all__ = [
    "ProblemTensors",
    "available",
    "backend",
    "each_sample",
    "has_kernel",
    "has_kernel_for",
    "operators",
    "reads_values",
    "torch_impl",
    "use_backend",
]
