"""The implementation that calls the compiled kernels for CPU tensors, and the plain torch one for what they do not cover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ... import reprojection
from ...problem import PnPProblem
from .. import Operation, register
from ..eager import Eager
from .library import DTYPES, call, library

COVERED: tuple[Operation, ...] = ("cost",)


class Native(Eager):
    """See `Implementation`. What it inherits it does not support.

    Not covered: Cauchy's kernel, gradients in poses or in the camera, gradients of gradients, and tracing by torch.compile.
    """

    name = "native"

    def supports(self, operation: Operation, problem: PnPProblem) -> bool:
        if torch.compiler.is_compiling() or operation not in COVERED or problem.robust == "cauchy":
            return False
        points, camera = problem.points, problem.camera
        ours = problem.device.type == "cpu" and points.x3d.dtype in DTYPES and not _wants_gradient(camera.matrix, camera.anchor)
        return ours and library() is not None

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        if _wants_gradient(pose):
            return super().cost(problem, pose)
        pose = _same_dtype(problem, pose)

        def compute() -> tuple[Tensor, Tensor]:
            cost = pose.new_empty(pose.shape[:-1])
            call("cost", problem, pose, pose.shape[-1], len(pose), cost)
            return pose, cost

        return _Weigh.apply(*_inputs(problem), problem, 1, compute)[0]


class _Weigh(torch.autograd.Function):
    """Values (S, ...) that have the derivatives of costs, or of costs with the sign changed, at poses (S, ..., D).

    Nothing is kept from `compute` but the poses: the derivatives are computed from the inputs when they are asked for.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x3d: Tensor,
        x2d: Tensor,
        w2d: Tensor,
        delta: Tensor,
        problem: PnPProblem,
        sign: int,
        compute: Callable[[], tuple[Tensor, ...]],
    ) -> tuple[Tensor, ...]:
        pose, values, *others = compute()
        ctx.problem, ctx.sign = problem.detach(), sign
        # Saved though the problem holds them as well: so torch notices if someone changes them in place.
        ctx.save_for_backward(x3d, x2d, w2d, delta, pose)
        ctx.mark_non_differentiable(*others)
        return values, *others

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *others: Tensor) -> tuple[Tensor | None, ...]:
        *inputs, pose = ctx.saved_tensors
        weight = gradient if ctx.sign > 0 else -gradient
        # Gradients are on where somebody wants to differentiate the result again.
        derivative = _differentiable_gradient if torch.is_grad_enabled() else _gradient
        return *derivative(ctx.problem, inputs, pose, weight), None, None, None


def _gradient(problem: PnPProblem, inputs: list[Tensor], pose: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    found = tuple(torch.empty_like(tensor, memory_format=torch.contiguous_format) for tensor in inputs)
    call("cost_gradient", problem, pose, pose.shape[-1], len(pose), weight.contiguous(), *found)
    return found


def _differentiable_gradient(problem: PnPProblem, inputs: list[Tensor], pose: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    x3d, x2d, w2d, delta = inputs
    again = replace(problem, points=replace(problem.points, x3d=x3d, x2d=x2d, w2d=w2d), delta=delta)
    return torch.autograd.grad(reprojection.cost(again, pose), inputs, weight, create_graph=True, materialize_grads=True)


def _inputs(problem: PnPProblem) -> tuple[Tensor, ...]:
    return problem.points.x3d, problem.points.x2d, problem.points.w2d, problem.delta


def _wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _same_dtype(problem: PnPProblem, pose: Tensor) -> Tensor:
    return pose.detach().to(problem.points.x3d.dtype).contiguous()


register(Native())
