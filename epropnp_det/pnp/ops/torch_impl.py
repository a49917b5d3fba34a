"""The operations in plain torch: what the kernels are tested against, and what runs where no kernel
does.

All functions take the tensors of a problem with batch dims `...` and poses (S, ..., D), any device
and dtype, and are differentiable as often as wanted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._constants import SMALLEST
from .._linalg import identity, solve
from ..spaces import pose_space
from ..spaces.base import PoseSpace
from .robust import ROBUST
from .tensors import ProblemTensors


def cost(problem: ProblemTensors, pose: Tensor) -> Tensor:
    """Robust cost (S, ...), Eq. (11), at poses (S, ..., D) with any number of sample dims, or none:
    one product with the points for all samples.
    """
    shape = pose.shape[:-1]
    samples = shape[: len(shape) - problem.delta.ndim].numel()
    pose = pose.reshape(samples, *problem.delta.shape, pose.shape[-1])
    # With pixel (0, 0) at the image origin, projecting is one division, near plane or not.
    problem = crop(problem, problem.image_origin)
    x3d = problem.x3d
    homogeneous = torch.cat((x3d, torch.ones_like(x3d[..., :1])), dim=-1).mT
    # M [R | t] with the rows in front and the samples behind the batch: (3, ..., S, 4).
    projection = (problem.matrix @ pose_space(pose).matrix(pose)).movedim((-2, 0), (0, -2))
    u, v, z = (row @ homogeneous for row in projection.unbind(0))
    nearness = z.clamp(min=problem.z_min).reciprocal()
    squared = _error(problem, u * nearness, 0).square() + _error(problem, v * nearness, 1).square()
    robust_cost = ROBUST[problem.robust].cost
    total = robust_cost(squared, problem.delta[..., None, None]).sum(-1)
    return total.movedim(-1, 0).reshape(shape)


def _error(problem: ProblemTensors, pixel: Tensor, axis: int) -> Tensor:
    """Weighted reprojection error along one axis (..., S, N)."""
    low = problem.clip_min[..., axis, None, None]
    high = problem.clip_max[..., axis, None, None]
    error = torch.clamp(pixel, low, high) - problem.x2d[..., None, :, axis]
    return error * problem.w2d[..., None, :, axis]


def project_image(
    matrix: Tensor,
    clip_min: Tensor,
    clip_max: Tensor,
    image_origin: Tensor,
    z_min: float,
    image: Tensor,
    zero_clipped: bool = True,
) -> tuple[Tensor, Tensor]:
    """Projection and its derivative from products M X, with the points along the last dim, where
    loops are fastest.

    Args:
        matrix: (..., 3, 3), M.
        clip_min: (..., 2) [px].
        clip_max: (..., 2) [px].
        image_origin: (..., 2) [px].
        z_min: nearest depth [m].
        image: (..., 3, N), M X.
        zero_clipped: zero rows of the Jacobian where the pixel is clamped.

    Returns:
        Pixels (..., 2, N) and transposed Jacobians d pixel / d X (..., 3, 2, N).
    """
    depth = image[..., 2:, :]
    origin = image_origin[..., None]
    clamped = depth.clamp(min=z_min)
    nearness = clamped.reciprocal()
    # The origin's term is exactly zero wherever depth is not clamped.
    free = image[..., :2, :] * nearness + origin * ((clamped - depth) * nearness)
    pixel = torch.clamp(free, clip_min[..., None], clip_max[..., None])
    # d pixel / d X = (M[:2] - pixel (x) M[2]) / z; where the division does not follow z, the origin
    # takes the pixel's place.
    pivot = torch.where(depth > z_min, free, origin)[..., None, :, :]
    factor = nearness * (pixel == free) if zero_clipped else nearness
    slope = matrix[..., :2, :].mT[..., None] - pivot * matrix[..., 2, :, None, None]
    return pixel, slope * factor[..., None, :, :]


def rows(
    problem: ProblemTensors, pose: Tensor, zero_clipped: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost (S, ...), rescaled residuals (S, ..., 2, N) and their transposed Jacobian (S, ..., T, 2,
    N) at poses (S, ..., D).
    """
    space = pose_space(pose)
    arm = space.rotation(pose) @ problem.x3d.mT
    image = problem.matrix @ (arm + pose[..., :3, None])
    camera = (problem.matrix, problem.clip_min, problem.clip_max, problem.image_origin)
    pixel, slope = project_image(*camera, problem.z_min, image, zero_clipped)
    weight = problem.w2d.mT
    delta = problem.delta[..., None]
    weighted = (pixel - problem.x2d.mT) * weight
    squared = weighted.square().sum(-2)
    robust = ROBUST[problem.robust]
    scale = robust.scale(squared, delta)[..., None, :]
    jacobian = space.pull_back_jacobian(arm, slope) * (weight * scale)[..., None, :, :]
    return robust.cost(squared, delta).sum(-1), weighted * scale, jacobian


def linearize(
    problem: ProblemTensors, pose: Tensor, zero_clipped: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost (S, ...), gradient J^T F (S, ..., T) and Hessian J^T J (S, ..., T, T) of the rescaled
    residuals.
    """
    total, residual, jacobian = rows(problem, pose, zero_clipped)
    jacobian = jacobian.flatten(-2)
    return total, (jacobian @ residual.flatten(-2)[..., None])[..., 0], jacobian @ jacobian.mT


def newton_step(problem: ProblemTensors, pose: Tensor, damping: float) -> Tensor:
    """The tangent dy (S, ..., T) of Eq. (9) at poses (S, ..., D); zero where the points determine
    no pose.
    """
    _, gradient, hessian = linearize(crop_to_points(problem), pose)
    step = solve(hessian + damping * identity(hessian), -gradient)
    return step.masked_fill(~determines(problem, pose_space(pose))[..., None], 0)


def crop(problem: ProblemTensors, corner: Tensor) -> ProblemTensors:
    """The same problem, costs and poses on images whose pixel (0, 0) was at `corner` (..., 2)."""
    upper = problem.matrix[..., :2, :] - corner[..., None] * problem.matrix[..., 2:, :]
    return problem._replace(
        x2d=problem.x2d - corner[..., None, :],
        matrix=torch.cat((upper, problem.matrix[..., 2:, :]), dim=-2),
        clip_min=problem.clip_min - corner,
        clip_max=problem.clip_max - corner,
        image_origin=problem.image_origin - corner,
    )


def crop_to_points(problem: ProblemTensors) -> ProblemTensors:
    """`crop` to the mean image point of each object.

    Costs and gradients round finer there: a reprojection error is no longer the difference of two
    large numbers.
    """
    return crop(problem, mean_of_existing(problem.x2d, problem.mask))


def counts(points: Tensor, mask: Tensor | None) -> Tensor:
    """1 where a point exists, else 0: (..., N), for points (..., N, C)."""
    return torch.ones_like(points[..., 0]) if mask is None else mask.to(points.dtype)


def mean_of_existing(points: Tensor, mask: Tensor | None) -> Tensor:
    """Mean (..., C), detached, of the points (..., N, C) that exist."""
    exists = counts(points, mask)[..., None]
    return points.detach().mul(exists).sum(-2) / exists.sum(-2).clamp(min=1)


def determines(problem: ProblemTensors, space: type[PoseSpace]) -> Tensor:
    """(...) bool: the weighted points do not all coincide, nor lie on one line where that leaves a
    pose of this space open.
    """
    usable = spread(problem.x3d, problem.x2d, problem.w2d) > SMALLEST
    if space.min_point_rank == 1:
        return usable
    return usable & (breadth(problem.x3d, problem.w2d) > SMALLEST)


def spread(x3d: Tensor, x2d: Tensor, w2d: Tensor) -> Tensor:
    """Smaller of the weighted variances of x3d [m^2] and x2d [px^2] (...)."""
    weight = _shares(w2d)
    return torch.minimum(_variance(x3d.detach(), weight), _variance(x2d.detach(), weight))


def breadth(x3d: Tensor, w2d: Tensor) -> Tensor:
    """Weighted variance of x3d [m^2] across the line from their mean to the farthest (...)."""
    weight = _shares(w2d)
    arm = x3d.detach() - (x3d.detach() * weight).sum(-2, keepdim=True)
    length = arm.norm(dim=-1, keepdim=True) * (weight > 0)
    longest = length.argmax(-2, keepdim=True)
    farthest = arm.gather(-2, longest.expand(*longest.shape[:-1], 3))
    line = farthest / length.amax(-2, keepdim=True).clamp(min=SMALLEST)
    return _variance(arm - (arm * line).sum(-1, keepdim=True) * line, weight)


def _shares(w2d: Tensor) -> Tensor:
    """Weights of the points (..., N, 1), both axes together, summing to one."""
    weight = w2d.detach().sum(-1, keepdim=True)
    return weight / weight.sum(-2, keepdim=True).clamp(min=SMALLEST)


def _variance(points: Tensor, weight: Tensor) -> Tensor:
    mean = (points * weight).sum(-2, keepdim=True)
    return ((points - mean).square() * weight).sum((-2, -1))
