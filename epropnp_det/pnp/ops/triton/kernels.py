"""The operators on GPU tensors: allocates the results and launches the Triton kernels.

Every function has the arguments of its operator in `ops/operators.py`. Imports triton.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor

from ...spaces import pose_space
from ..tensors import ProblemTensors
from .device.cost import cost_kernel, gradient_kernel
from .device.normal import linearize_kernel
from .device.solver import solve_kernel

# Numbers of a tile: samples and points of the cost, then of its gradient. Powers of two; a warp is
# 32 of them.
COST_TILE = (16, 64)
GRADIENT_TILE = (16, 32)
LINEARIZE_POINTS = 128
# The arguments that describe the problem come first.
PROBLEM = len(ProblemTensors._fields)


class Launch(NamedTuple):
    """What all kernels take: contiguous tensors with one dim for the objects and one for the
    samples.

    Args:
        read: x3d (B, N, 3), x2d and w2d (B, N, 2), delta (B), the camera (B, 15) (matrix by rows,
            lower and upper limits, image origin) and poses (S, B, D).
        objects: B.
        points: N.
        samples: S.
        huber: Huber's kernel, or none.
        z_min: nearest depth [m].
    """

    read: tuple[Tensor, ...]
    objects: int
    points: int
    samples: int
    huber: bool
    z_min: float

    @property
    def pose(self) -> Tensor:
        return self.read[-1]


def _launch(arguments: tuple[Any, ...]) -> tuple[Launch, Tensor, tuple[Any, ...]]:
    """What the kernels take, the poses (S, ..., D) as they were given, and the other arguments."""
    problem = ProblemTensors(*arguments[:PROBLEM])
    pose = arguments[PROBLEM]
    objects = problem.delta.numel()
    samples = pose.numel() // (pose.shape[-1] * objects) if objects else 0
    points = [
        value.reshape(objects, *value.shape[-2:])
        for value in (problem.x3d, problem.x2d, problem.w2d)
    ]
    limits = (problem.clip_min, problem.clip_max, problem.image_origin)
    camera = torch.cat((problem.matrix.flatten(-2), *limits), dim=-1).reshape(objects, 15)
    flat = pose.reshape(samples, objects, pose.shape[-1])
    read = (*points, problem.delta.reshape(objects), camera, flat)
    launch = Launch(
        tuple(tensor.contiguous() for tensor in read),
        objects,
        problem.x3d.shape[-2],
        samples,
        problem.robust == "huber",
        problem.z_min,
    )
    return launch, pose, arguments[PROBLEM + 1 :]


def cost(*arguments: Any) -> Tensor:
    launch, pose, _ = _launch(arguments)
    out = pose.new_empty(pose.shape[:-1])
    tile = _tile(COST_TILE, launch.samples, launch.points)
    sizes = (launch.objects, launch.points, launch.samples, pose.shape[-1])
    with _on_device_of(pose):
        if out.numel():
            grid = launch.objects, triton.cdiv(launch.samples, tile[0])
            cost_kernel[grid](*launch.read, out, *sizes, launch.huber, launch.z_min, *tile)
    return out


def cost_gradient(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    launch, pose, (weight,) = _launch(arguments)
    problem = ProblemTensors(*arguments[:PROBLEM])
    by_points = [torch.empty_like(value) for value in launch.read[:3]]
    tile = _tile(GRADIENT_TILE, launch.samples, launch.points)
    grid = launch.objects, triton.cdiv(launch.points, tile[1])
    by_delta = problem.delta.new_empty(grid)
    sizes = (launch.objects, launch.points, launch.samples, pose.shape[-1])
    flat = weight.reshape(launch.samples, launch.objects).contiguous()
    with _on_device_of(pose):
        if launch.objects:
            written = (*by_points, by_delta)
            gradient_kernel[grid](
                *launch.read, flat, *written, *sizes, launch.huber, launch.z_min, *tile
            )
    by_x3d, by_x2d, by_w2d = (
        value.reshape(like.shape)
        for value, like in zip(by_points, (problem.x3d, problem.x2d, problem.w2d))
    )
    return by_x3d, by_x2d, by_w2d, by_delta.sum(-1).reshape(problem.delta.shape)


def linearize(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    launch, pose, (zero_clipped,) = _launch(arguments)
    shape = pose.shape[:-1]
    tangent = pose_space(pose).tangent_dim
    value = pose.new_empty(shape)
    gradient = pose.new_empty(*shape, tangent)
    hessian = pose.new_empty(*shape, tangent, tangent)
    block = _block(launch.points)
    with _on_device_of(pose):
        if value.numel():
            linearize_kernel[(value.numel(),)](
                *launch.read,
                value,
                gradient,
                hessian,
                launch.objects,
                launch.points,
                pose.shape[-1],
                launch.huber,
                zero_clipped,
                launch.z_min,
                block,
                num_warps=_warps(block),
            )
    return value, gradient, hessian


def solve(*arguments: Any) -> Tensor:
    launch, pose, (method, iterations) = _launch(arguments)
    out = torch.empty_like(launch.pose)
    block = _block(launch.points)
    number = launch.samples * launch.objects
    with _on_device_of(pose):
        if number:
            solve_kernel[(number,)](
                *launch.read,
                out,
                launch.objects,
                launch.points,
                iterations,
                pose.shape[-1],
                launch.huber,
                method == "lm",
                launch.z_min,
                torch.finfo(pose.dtype).eps,
                block,
                num_warps=_warps(block),
            )
    return out.reshape(pose.shape)


def _tile(most: Sequence[int], *sizes: int) -> list[int]:
    """Powers of two that hold the sizes, if they are not larger than the tile may be."""
    return [min(limit, triton.next_power_of_2(max(size, 1))) for limit, size in zip(most, sizes)]


def _block(points: int) -> int:
    return _tile((LINEARIZE_POINTS,), points)[0]


def _warps(block: int) -> int:
    """A point in each lane."""
    return max(block // 32, 1)


def _on_device_of(tensor: Tensor) -> AbstractContextManager[None]:
    """Triton launches on the current GPU, which need not be the tensor's."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()
