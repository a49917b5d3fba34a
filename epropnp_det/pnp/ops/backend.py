"""Selects the backend of the expensive operations.

torch's dispatcher finds the kernel for the device of an operator's tensors. What is decided here is
whether there is one at all: `has_kernel` is False for what kernels do not cover, and the caller
then runs plain torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import triton
from .cpu import library
from .tensors import ProblemTensors, wants_gradient

DTYPES = (torch.float32, torch.float64)
# Operations with a kernel, by backend; and those of them that have a kernel for their gradient.
CPP = frozenset(("threshold", "cost", "linearize", "newton_step", "estimate", "posterior"))
TRITON = frozenset(("cost", "linearize", "solve"))
DIFFERENTIABLE = {
    "cpp": frozenset(("threshold", "cost", "linearize", "newton_step", "posterior")),
    "triton": frozenset(("cost",)),
}
# Operations whose results have no gradient in anything.
DETACHED = frozenset(("solve", "estimate"))
# torch.export can be distinguished from torch.compile since torch 2.7: by the flag itself, because
# for torch.compile `torch.compiler.is_exporting()` is a constant True. Before, exported programs
# contain the operators.
EXPORT_HAS_A_FLAG = hasattr(torch.compiler, "_is_exporting_flag")
# The backend of the tensors of a device.
BACKENDS = {"cpu": "triton" if triton.INTERPRETED else "cpp", "cuda": "triton"}

# Names given to `use_backend`, the innermost last. A plain list, which torch.compile can read; so
# it is not for threads.
_chosen: list[str] = []


def available() -> list[str]:
    """The backends of this installation: 'torch', and 'cpp' and 'triton' where they are
    installed.
    """
    installed = {"torch": True, "cpp": library.BUILT, "triton": triton.INSTALLED}
    return [name for name, there in installed.items() if there]


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Inside, this backend computes: `use_backend("torch")` runs plain torch, the reference.

    'cpp' and 'triton' run the kernels for CPU and GPU tensors, and plain torch for what those do
    not cover. That is what happens outside as well.

    Raises:
        ValueError: no backend of this name is installed.
    """
    if name not in available():
        raise ValueError(
            f"no backend {name!r} is installed; use one of {', '.join(map(repr, available()))}"
        )
    _chosen.append(name)
    try:
        yield
    finally:
        _chosen.pop()


def has_kernel(
    operation: str, differentiable: Sequence[Tensor], constant: Sequence[Tensor] = ()
) -> bool:
    """Whether an operator can run this operation on these tensors, decided by dtype, device and
    what torch is doing: values would cost a synchronisation.

    Args:
        operation: name of an operator.
        differentiable: the tensors that it has gradients for.
        constant: tensors that it has no gradients for.
    """
    device = differentiable[0].device.type
    dtype = differentiable[0].dtype
    if (_chosen and _chosen[-1] == "torch") or device not in BACKENDS or dtype not in DTYPES:
        return False
    backend = BACKENDS[device]
    if operation not in (CPP if backend == "cpp" else TRITON):
        return False
    if operation not in DETACHED:
        forward_only = operation not in DIFFERENTIABLE[backend]
        if wants_gradient(*constant) or (forward_only and wants_gradient(*differentiable)):
            return False
    return _covers_transforms() and _installed(backend)


def has_kernel_for(operation: str, problem: ProblemTensors, *constant: Tensor) -> bool:
    """`has_kernel` for the tensors of a problem. Kernels do not cover Cauchy's robust kernel, nor
    gradients in the camera and in `constant`.
    """
    camera = (problem.matrix, problem.image_origin)
    return problem.robust != "cauchy" and has_kernel(
        operation, problem.differentiable, (*camera, *constant)
    )


def reads_values(*tensors: Tensor) -> bool:
    """Whether the values of these tensors can be read by C++ at no cost: they are on the CPU, and
    nothing traces or transforms what happens to them.
    """
    if torch.compiler.is_compiling() or (_chosen and _chosen[-1] == "torch"):
        return False
    plain = all(
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.layout is torch.strided
        and tensor.dtype in DTYPES
        and not tensor.is_neg()
        for tensor in tensors
    )
    # A dispatch mode, such as that of fake tensors, would see the copy of a tensor with strides.
    readable = torch._C._len_torch_dispatch_stack() == 0 or all(
        tensor.is_contiguous() for tensor in tensors
    )
    return plain and readable and _covers_transforms() and library.library() is not None


def transforms_active() -> bool:
    """Whether torch.func (vmap, grad, jvp, ...) or a batched backward pass is running."""
    return torch._C._are_functorch_transforms_active()


def _covers_transforms() -> bool:
    """Operators run as they are, and in what torch.compile compiles; plain torch runs where
    torch.export, jit.trace, torch.func or forward-mode derivatives see through the operation.
    """
    if torch.compiler.is_compiling():
        return not (EXPORT_HAS_A_FLAG and torch.compiler._is_exporting_flag)
    return not (torch.jit.is_tracing() or transforms_active() or forward_ad._current_level >= 0)


def _installed(backend: str) -> bool:
    if backend == "triton":
        return triton.INSTALLED
    # `library` warns once where the kernels were not built, which no compiler can trace.
    return library.BUILT or (not torch.compiler.is_compiling() and library.library() is not None)
