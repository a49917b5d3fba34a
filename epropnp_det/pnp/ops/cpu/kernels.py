"""The operators on CPU tensors: allocates the results and calls the compiled kernels.

Every function has the arguments of its operator in `ops/operators.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...spaces import SPACES, pose_space
from ..tensors import ProblemTensors
from .library import Plan, call, call_image_points

# The arguments that describe the problem come first.
PROBLEM = len(ProblemTensors._fields)


def threshold(x2d: Tensor, w2d: Tensor, mask: Tensor | None, relative_delta: float) -> Tensor:
    delta = x2d.new_empty(x2d.shape[:-2])
    call_image_points("threshold", x2d, w2d, mask, relative_delta, delta)
    return delta


def threshold_gradient(
    x2d: Tensor, w2d: Tensor, mask: Tensor | None, relative_delta: float, by_threshold: Tensor
) -> tuple[Tensor, Tensor]:
    by_x2d = _like(x2d)
    by_w2d = _like(w2d)
    given = by_threshold.contiguous()
    call_image_points("threshold_gradient", x2d, w2d, mask, relative_delta, given, by_x2d, by_w2d)
    return by_x2d, by_w2d


def cost(*arguments: Any) -> Tensor:
    problem, (pose,) = _split(arguments)
    out = pose.new_empty(pose.shape[:-1])
    call("cost", problem, *_poses(problem, pose), out)
    return out


def cost_gradient(*arguments: Any) -> tuple[Tensor, ...]:
    problem, (pose, weight) = _split(arguments)
    found = tuple(_like(tensor) for tensor in problem.differentiable)
    call("cost_gradient", problem, *_poses(problem, pose), weight.contiguous(), *found)
    return found


def linearize(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    problem, (pose, zero_clipped) = _split(arguments)
    shape = pose.shape[:-1]
    tangent = pose_space(pose).tangent_dim
    value = pose.new_empty(shape)
    gradient = pose.new_empty(*shape, tangent)
    hessian = pose.new_empty(*shape, tangent, tangent)
    call("linearize", problem, *_poses(problem, pose), zero_clipped, value, gradient, hessian)
    return value, gradient, hessian


def linearize_gradient(*arguments: Any) -> tuple[Tensor, ...]:
    problem, (pose, zero_clipped, *by) = _split(arguments)
    found = tuple(_like(tensor) for tensor in problem.differentiable)
    given = [tensor.contiguous() for tensor in by]
    poses = _poses(problem, pose)
    call("linearize_gradient", problem, *poses, zero_clipped, *given, *found)
    return found


def newton_step(*arguments: Any) -> Tensor:
    problem, (pose, damping) = _split(arguments)
    step = pose.new_empty(*pose.shape[:-1], pose_space(pose).tangent_dim)
    call("newton_step", problem, *_poses(problem, pose), damping, step)
    return step


def newton_step_gradient(*arguments: Any) -> tuple[Tensor, ...]:
    problem, (pose, damping, by_step) = _split(arguments)
    found = tuple(_like(tensor) for tensor in problem.differentiable)
    poses = _poses(problem, pose)
    call("newton_gradient", problem, *poses, damping, by_step.contiguous(), *found)
    return found


def estimate(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    problem, (key, start, dim, *plan) = _split(arguments)
    shape = problem.delta.shape
    tangent = SPACES[dim].tangent_dim
    pose = problem.x3d.new_empty(*shape, dim)
    value = problem.x3d.new_empty(shape)
    hessian = problem.x3d.new_empty(*shape, tangent, tangent)
    valid = problem.x3d.new_empty(shape, dtype=torch.bool)
    # Points and rotations of the random start: none are given, so the kernel draws them.
    drawn = (None, None)
    given = None if start is None else start.contiguous()
    call("estimate", problem, key, dim, Plan(*plan), *drawn, given, pose, value, hessian, valid)
    return pose, value, hessian, valid


def posterior(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    problem, (key, begin, begin_valid, uniform, samples, rounds) = _split(arguments)
    pose = begin.new_empty(samples, *begin.shape)
    log_weights = begin.new_empty(samples, *begin.shape[:-1])
    valid = torch.empty_like(begin_valid, memory_format=torch.contiguous_format)
    start = (begin.shape[-1], begin.contiguous(), begin_valid.contiguous(), uniform)
    # Random numbers: none are given, so the kernel draws them.
    call("sample", problem, key, *start, None, samples, rounds, pose, log_weights, valid)
    return pose, log_weights, valid


def _split(arguments: tuple[Any, ...]) -> tuple[ProblemTensors, tuple[Any, ...]]:
    return ProblemTensors(*arguments[:PROBLEM]), arguments[PROBLEM:]


def _poses(problem: ProblemTensors, pose: Tensor) -> tuple[Tensor, int, int]:
    """Poses (S, ..., D), D and S as the kernels take them."""
    objects = problem.delta.numel()
    samples = pose.numel() // (pose.shape[-1] * objects) if objects else 0
    return pose.contiguous(), pose.shape[-1], samples


def _like(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)
