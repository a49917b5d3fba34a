"""The expensive operations as torch operators, `torch.ops.epropnp_det.*`.

Each has one schema, kernels for CPU (C++) and GPU (Triton) tensors, a function that gives shapes
without values, and derivatives. `backend.has_kernel` decides where they run; `torch_impl` computes
the same in plain torch. All take the tensors of a problem first (`ProblemTensors`), and poses (S,
..., D) that have its batch dims and any number of sample dims in front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..spaces import SPACES
from . import torch_impl, triton
from .backend import transforms_active
from .cpu import kernels as cpu_kernels
from .robust import adaptive_threshold
from .tensors import ProblemTensors

NAMESPACE = "epropnp_det"
LIBRARY = torch.library.Library(NAMESPACE, "FRAGMENT")
PROBLEM = (
    "Tensor x3d, Tensor x2d, Tensor w2d, Tensor delta, Tensor matrix, Tensor clip_min, "
    "Tensor clip_max, Tensor image_origin, Tensor? mask, float z_min, str robust"
)
IMAGE_POINTS = "Tensor x2d, Tensor w2d, Tensor? mask, float relative_delta"
PLAN = (
    "int proposals, int points, int start_iterations, bool gauss_newton, int iterations, "
    "int candidates, float separation"
)
INPUTS = "(Tensor, Tensor, Tensor, Tensor)"
# The arguments of a problem, and those of them that have gradients.
PROBLEM_ARGUMENTS = len(ProblemTensors._fields)
DIFFERENTIABLE = 4


def define(name: str, arguments: str, returns: str, fake: Callable[..., Any]) -> None:
    """Declares an operator, its kernel for CPU tensors, and its shapes."""
    LIBRARY.define(f"{name}({arguments}) -> {returns}")
    torch.library.register_fake(f"{NAMESPACE}::{name}", fake, lib=LIBRARY)


# --- shapes ---


def _inputs_like(*arguments: Any) -> tuple[Tensor, ...]:
    return tuple(value.new_empty(value.shape) for value in arguments[:DIFFERENTIABLE])


def _tangent_dim(dim: int) -> int:
    # int: torch.compile may trace it with a symbol in place of the number.
    return SPACES[int(dim)].tangent_dim


def _threshold_like(x2d: Tensor, w2d: Tensor, mask: Any, relative_delta: float) -> Tensor:
    return x2d.new_empty(x2d.shape[:-2])


def _threshold_gradient_like(x2d: Tensor, w2d: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return x2d.new_empty(x2d.shape), w2d.new_empty(w2d.shape)


def _cost_like(*arguments: Any) -> Tensor:
    pose = arguments[PROBLEM_ARGUMENTS]
    return pose.new_empty(pose.shape[:-1])


def _linearization_like(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    pose = arguments[PROBLEM_ARGUMENTS]
    shape = pose.shape[:-1]
    tangent = _tangent_dim(pose.shape[-1])
    gradient = pose.new_empty(*shape, tangent)
    return pose.new_empty(shape), gradient, pose.new_empty(*shape, tangent, tangent)


def _step_like(*arguments: Any) -> Tensor:
    pose = arguments[PROBLEM_ARGUMENTS]
    return pose.new_empty(*pose.shape[:-1], _tangent_dim(pose.shape[-1]))


def _pose_like(*arguments: Any) -> Tensor:
    pose = arguments[PROBLEM_ARGUMENTS]
    return pose.new_empty(pose.shape)


def _estimate_like(*arguments: Any) -> tuple[Tensor, ...]:
    delta = arguments[3]
    shape = delta.shape
    dim = arguments[PROBLEM_ARGUMENTS + 2]
    tangent = _tangent_dim(dim)
    hessian = delta.new_empty(*shape, tangent, tangent)
    valid = delta.new_empty(shape, dtype=torch.bool)
    return delta.new_empty(*shape, dim), delta.new_empty(shape), hessian, valid


def _posterior_like(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    _, begin, begin_valid, _, samples, _ = arguments[PROBLEM_ARGUMENTS:]
    pose = begin.new_empty(samples, *begin.shape)
    return pose, begin.new_empty(samples, *begin.shape[:-1]), torch.empty_like(begin_valid)


define("threshold", IMAGE_POINTS, "Tensor", _threshold_like)
define(
    "threshold_gradient",
    f"{IMAGE_POINTS}, Tensor by_threshold",
    "(Tensor, Tensor)",
    _threshold_gradient_like,
)
define("cost", f"{PROBLEM}, Tensor pose", "Tensor", _cost_like)
define("cost_gradient", f"{PROBLEM}, Tensor pose, Tensor weight", INPUTS, _inputs_like)
define(
    "linearize",
    f"{PROBLEM}, Tensor pose, bool zero_clipped",
    "(Tensor, Tensor, Tensor)",
    _linearization_like,
)
define(
    "linearize_gradient",
    f"{PROBLEM}, Tensor pose, bool zero_clipped, Tensor by_cost, Tensor by_gradient, "
    "Tensor by_hessian",
    INPUTS,
    _inputs_like,
)
define("newton_step", f"{PROBLEM}, Tensor pose, float damping", "Tensor", _step_like)
define(
    "newton_step_gradient",
    f"{PROBLEM}, Tensor pose, float damping, Tensor by_step",
    INPUTS,
    _inputs_like,
)
define("solve", f"{PROBLEM}, Tensor pose, str method, int iterations", "Tensor", _pose_like)
define(
    "estimate",
    f"{PROBLEM}, Tensor key, Tensor? start, int dim, {PLAN}",
    "(Tensor, Tensor, Tensor, Tensor)",
    _estimate_like,
)
define(
    "posterior",
    f"{PROBLEM}, Tensor key, Tensor begin, Tensor begin_valid, float uniform, int samples, "
    "int rounds",
    "(Tensor, Tensor, Tensor)",
    _posterior_like,
)

threshold = torch.ops.epropnp_det.threshold.default
threshold_gradient = torch.ops.epropnp_det.threshold_gradient.default
cost = torch.ops.epropnp_det.cost.default
cost_gradient = torch.ops.epropnp_det.cost_gradient.default
linearize = torch.ops.epropnp_det.linearize.default
linearize_gradient = torch.ops.epropnp_det.linearize_gradient.default
newton_step = torch.ops.epropnp_det.newton_step.default
newton_step_gradient = torch.ops.epropnp_det.newton_step_gradient.default
solve = torch.ops.epropnp_det.solve.default
estimate = torch.ops.epropnp_det.estimate.default
posterior = torch.ops.epropnp_det.posterior.default


# --- kernels ---


def _launched(name: str) -> Callable[..., Any]:
    """The function of `triton/kernels.py`, which is imported with the first launch."""

    def launch(*arguments: Any) -> Any:
        from .triton import kernels

        return getattr(kernels, name)(*arguments)

    return launch


TRITON_KERNELS = ("cost", "cost_gradient", "linearize", "solve")
CPU_KERNELS = (
    "threshold",
    "threshold_gradient",
    "cost",
    "cost_gradient",
    "linearize",
    "linearize_gradient",
    "newton_step",
    "newton_step_gradient",
    "estimate",
    "posterior",
)
for _name in TRITON_KERNELS:
    LIBRARY.impl(_name, _launched(_name), triton.DEVICE.upper())
if not triton.INTERPRETED:
    for _name in CPU_KERNELS:
        LIBRARY.impl(_name, getattr(cpu_kernels, _name), "CPU")


# --- derivatives ---

# Derivatives in the first arguments, from what is kept and the derivatives in the results.
Gradient = Callable[..., Sequence[Tensor]]
# Differentiable results, computed again in plain torch, each with the derivative in it.
Reference = Callable[..., list[tuple[Tensor, Tensor]]]


def _keep_arguments(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    """The backward pass recomputes instead of storing."""
    ctx.save_for_backward(*(value if isinstance(value, Tensor) else None for value in inputs))
    ctx.constants = tuple(None if isinstance(value, Tensor) else value for value in inputs)


def _keep_problem_and_poses(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _keep_arguments(ctx, (*inputs[:PROBLEM_ARGUMENTS], output[0]), output)
    ctx.mark_non_differentiable(output[0], output[2])


def differentiate(
    name: str,
    differentiable: int,
    gradient: Gradient,
    reference: Reference,
    keep: Callable[..., None] = _keep_arguments,
) -> None:
    """Registers the derivatives of an operator in its first arguments.

    Args:
        name: name of the operator.
        differentiable: how many of the arguments have gradients.
        gradient: computes them.
        reference: is differentiated instead where second derivatives are wanted, or the backward
            pass is batched.
        keep: what both get.
    """
    operator = getattr(torch.ops.epropnp_det, name).default
    others = (None,) * len(operator._schema.arguments)

    def forward(ctx: Any, *arguments: Any) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            result = operator(*arguments)
        keep(ctx, arguments, result)
        return result

    def backward(ctx: Any, *by: Any) -> tuple[Tensor | None, ...]:
        kept = [
            constant if tensor is None else tensor
            for tensor, constant in zip(ctx.saved_tensors, ctx.constants)
        ]
        # Gradients are on where the result is differentiated again.
        if not torch.is_grad_enabled() and not transforms_active():
            return *gradient(kept, *by), *others[differentiable:]
        needed = [index for index in range(differentiable) if kept[index].requires_grad]
        again = torch.is_grad_enabled()
        with torch.enable_grad():
            values, weights = zip(*((v, w) for v, w in reference(kept, *by) if v.requires_grad))
            wanted = [kept[index] for index in needed]
            found = torch.autograd.grad(
                values, wanted, weights, create_graph=again, materialize_grads=True
            )
        gradients: list[Tensor | None] = list(others)
        for index, value in zip(needed, found):
            gradients[index] = value
        return tuple(gradients)

    members = dict(forward=staticmethod(forward), backward=staticmethod(backward))
    function: Any = type(f"{name}_with_derivatives", (torch.autograd.Function,), members)

    def differentiable_operator(*arguments: Any) -> Any:
        if torch.is_grad_enabled() and any(one.requires_grad for one in arguments[:differentiable]):
            return function.apply(*arguments)
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)

    # `torch.library.register_autograd` registers the same, but costs 60 microseconds more per call.
    LIBRARY.impl(name, differentiable_operator, "Autograd")


def _problem(arguments: Sequence[Any]) -> tuple[ProblemTensors, Sequence[Any]]:
    return ProblemTensors(*arguments[:PROBLEM_ARGUMENTS]), arguments[PROBLEM_ARGUMENTS:]


def _threshold_reference(kept: Sequence[Any], by: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(adaptive_threshold(*kept), by)]


def _cost_reference(kept: Sequence[Any], by: Tensor) -> list[tuple[Tensor, Tensor]]:
    problem, (pose,) = _problem(kept)
    return [(torch_impl.cost(problem, pose), by)]


def _linearize_reference(kept: Sequence[Any], *by: Tensor) -> list[tuple[Tensor, Tensor]]:
    problem, others = _problem(kept)
    return list(zip(torch_impl.linearize(problem, *others), by))


def _newton_step_reference(kept: Sequence[Any], by: Tensor) -> list[tuple[Tensor, Tensor]]:
    problem, others = _problem(kept)
    return [(torch_impl.newton_step(problem, *others), by)]


# The log weights of samples depend on the points through the costs alone.
def _posterior_gradient(
    kept: Sequence[Any], by_pose: Any, by_weights: Tensor, by_valid: Any
) -> Any:
    return cost_gradient(*kept, -by_weights)


def _posterior_reference(
    kept: Sequence[Any], by_pose: Any, by_weights: Tensor, by_valid: Any
) -> list[tuple[Tensor, Tensor]]:
    return _cost_reference(kept, -by_weights)


differentiate("threshold", 2, lambda kept, by: threshold_gradient(*kept, by), _threshold_reference)
differentiate("cost", DIFFERENTIABLE, lambda kept, by: cost_gradient(*kept, by), _cost_reference)
differentiate(
    "linearize",
    DIFFERENTIABLE,
    lambda kept, *by: linearize_gradient(*kept, *by),
    _linearize_reference,
)
differentiate(
    "newton_step",
    DIFFERENTIABLE,
    lambda kept, by: newton_step_gradient(*kept, by),
    _newton_step_reference,
)
differentiate(
    "posterior",
    DIFFERENTIABLE,
    _posterior_gradient,
    _posterior_reference,
    keep=_keep_problem_and_poses,
)
