"""What implementations other than plain torch share: poses as kernels want them, and second
derivatives by plain torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..problem import PnPProblem
from . import torch_impl


def inputs(problem: PnPProblem) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The tensors that gradients flow to: x3d, x2d, w2d, delta."""
    return problem.points.x3d, problem.points.x2d, problem.points.w2d, problem.delta


def with_inputs(
    problem: PnPProblem, x3d: Tensor, x2d: Tensor, w2d: Tensor, delta: Tensor
) -> PnPProblem:
    """The problem with other tensors in place of its `inputs`."""
    return replace(problem, points=replace(problem.points, x3d=x3d, x2d=x2d, w2d=w2d), delta=delta)


def wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def sample_shape(problem: PnPProblem, pose: Tensor) -> tuple[int, torch.Size]:
    """How many samples poses (S, ..., D) have for each object, and their dims (S, ...)."""
    if pose.shape[:-1] == problem.shape:
        return 1, problem.shape
    shape = torch.broadcast_shapes(pose.shape[:-1], problem.shape)
    return shape[: len(shape) - len(problem.shape)].numel(), shape


def each_sample(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Poses (S, ..., D) that broadcast to those of the problem, as kernels want them."""
    pose = pose.detach().to(problem.dtype)
    return pose.expand(*sample_shape(problem, pose)[1], pose.shape[-1]).contiguous()


def differentiable_gradient(
    problem: PnPProblem, inputs: Sequence[Tensor], pose: Tensor, weight: Tensor
) -> tuple[Tensor, ...]:
    """The gradient of the costs at poses (S, ..., D), weighted (S, ...), in `inputs`; in the graph,
    for those who differentiate again.
    """
    return torch.autograd.grad(
        torch_impl.cost(with_inputs(problem, *inputs), pose),
        inputs,
        weight,
        create_graph=True,
        materialize_grads=True,
    )
