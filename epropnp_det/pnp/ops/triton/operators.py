"""The kernels as torch operators: new tensors out, shapes told without computing, and the
derivative of the cost.

Problems come with a single batch dim B, their cameras as `packed` has them, and poses (S, B, D).
Imports triton.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import triton
from torch import Tensor

from ...camera import Camera
from ...correspondences import Correspondences
from ...problem import PnPProblem
from ...spaces import SPACES
from .. import common
from .device.cost import cost_kernel, gradient_kernel
from .device.normal import linearize_kernel
from .device.solver import solve_kernel

# Numbers of a tile: samples and points of the cost, then of its gradient. Powers of two; a warp is
# 32 of them.
COST_TILE, GRADIENT_TILE, LINEARIZE_POINTS = (16, 64), (16, 32), 128


def packed(camera: Camera) -> Tensor:
    """(..., 15): the matrix by rows, the lower and the upper limits, and the corner of the original
    image.
    """
    return torch.cat(
        (camera.matrix.flatten(-2), camera.clip_min, camera.clip_max, camera.image_origin), dim=-1
    )


def unpacked(camera: Tensor, z_min: float) -> Camera:
    matrix, low, high, corner = camera.split((9, 2, 2, 2), dim=-1)
    return Camera(matrix.unflatten(-1, (3, 3)), low, high, z_min, corner)


@torch.library.custom_op("epropnp_det::cost", mutates_args=())
def cost(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
) -> Tensor:
    """Robust costs (S, B), differentiable in points and threshold."""
    read = _contiguous(x3d, x2d, w2d, delta, camera, pose)
    out, (objects, points, samples) = _cost_like(*read, z_min, huber), _sizes(x3d, pose)
    tile = _tile(COST_TILE, samples, points)
    with _on_device_of(x3d):
        if out.numel():
            grid = objects, triton.cdiv(samples, tile[0])
            cost_kernel[grid](
                *read, out, objects, points, samples, pose.shape[-1], huber, z_min, *tile
            )
    return out


@cost.register_fake
def _cost_like(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
) -> Tensor:
    return pose.new_empty(pose.shape[:-1])


@torch.library.custom_op("epropnp_det::cost_gradient", mutates_args=())
def cost_gradient(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    weight: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Derivatives in x3d, x2d, w2d and delta of the sum of the costs with weights (S, B)."""
    read = _contiguous(x3d, x2d, w2d, delta, camera, pose, weight)
    (objects, points, samples), by_points = (
        _sizes(x3d, pose),
        [torch.empty_like(value) for value in read[:3]],
    )
    tile = _tile(GRADIENT_TILE, samples, points)
    grid = objects, triton.cdiv(points, tile[1])
    by_delta = delta.new_empty(grid)
    with _on_device_of(x3d):
        if objects:
            gradient_kernel[grid](
                *read,
                *by_points,
                by_delta,
                objects,
                points,
                samples,
                pose.shape[-1],
                huber,
                z_min,
                *tile,
            )
    return by_points[0], by_points[1], by_points[2], by_delta.sum(-1)


@cost_gradient.register_fake
def _gradient_like(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    weight: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        x3d.new_empty(x3d.shape),
        x2d.new_empty(x2d.shape),
        w2d.new_empty(w2d.shape),
        delta.new_empty(delta.shape),
    )


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """The costs are computed again in the backward pass; nothing of the size samples x points is
    stored.
    """
    *tensors, ctx.z_min, ctx.huber = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, weight: Tensor) -> tuple[Tensor | None, ...]:
    *inputs, camera, pose = ctx.saved_tensors
    # Gradients are on where somebody wants to differentiate the result again.
    if torch.is_grad_enabled():
        x3d, x2d, w2d, delta = inputs
        robust = "huber" if ctx.huber else "none"
        problem = PnPProblem(
            Correspondences(x3d, x2d, w2d), unpacked(camera, ctx.z_min), delta, robust
        )
        found = common.differentiable_gradient(problem, inputs, pose, weight)
    else:
        found = cost_gradient(*inputs, camera, pose, ctx.z_min, ctx.huber, weight)
    return *found, None, None, None, None


cost.register_autograd(_backward, setup_context=_keep_inputs)


@torch.library.custom_op("epropnp_det::linearize", mutates_args=())
def linearize(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    zero_clipped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Costs (S, B), gradients (S, B, T) and Hessians (S, B, T, T); not differentiable."""
    read = _contiguous(x3d, x2d, w2d, delta, camera, pose)
    out, (objects, points, samples) = (
        _linearization_like(*read, z_min, huber, zero_clipped),
        _sizes(x3d, pose),
    )
    block = _block(points)
    with _on_device_of(x3d):
        if samples * objects:
            launch = linearize_kernel[(samples * objects,)]
            launch(
                *read,
                *out,
                objects,
                points,
                pose.shape[-1],
                huber,
                zero_clipped,
                z_min,
                block,
                num_warps=_warps(block),
            )
    return out


@linearize.register_fake
def _linearization_like(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    zero_clipped: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    # int: torch.compile may trace it with a symbol in place of the number.
    shape, tangent = pose.shape[:-1], SPACES[int(pose.shape[-1])].tangent_dim
    return (
        pose.new_empty(shape),
        pose.new_empty(*shape, tangent),
        pose.new_empty(*shape, tangent, tangent),
    )


@torch.library.custom_op("epropnp_det::solve", mutates_args=())
def solve(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    lm: bool,
    iterations: int,
) -> Tensor:
    """Poses (S, B, D) after so many steps of Levenberg-Marquardt, or of Gauss-Newton; not
    differentiable.
    """
    read = _contiguous(x3d, x2d, w2d, delta, camera, pose)
    out, (objects, points, samples) = torch.empty_like(read[-1]), _sizes(x3d, pose)
    block = _block(points)
    with _on_device_of(x3d):
        if samples * objects:
            launch, eps = solve_kernel[(samples * objects,)], torch.finfo(pose.dtype).eps
            launch(
                *read,
                out,
                objects,
                points,
                iterations,
                pose.shape[-1],
                huber,
                lm,
                z_min,
                eps,
                block,
                num_warps=_warps(block),
            )
    return out


@solve.register_fake
def _solution_like(
    x3d: Tensor,
    x2d: Tensor,
    w2d: Tensor,
    delta: Tensor,
    camera: Tensor,
    pose: Tensor,
    z_min: float,
    huber: bool,
    lm: bool,
    iterations: int,
) -> Tensor:
    return pose.new_empty(pose.shape)


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def _sizes(x3d: Tensor, pose: Tensor) -> tuple[int, int, int]:
    """Objects, points and samples."""
    return x3d.shape[0], x3d.shape[1], pose.shape[0]


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
