"""The formulas of the reprojection cost in plain torch: cost alone for many poses, or with
residuals and Jacobian.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..spaces import pose_space

if TYPE_CHECKING:
    from ..problem import PnPProblem


def cost(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Robust cost (S, ...) at poses (S, ..., D) with a single sample dim: one product with the
    points for all samples.
    """
    # With the camera's anchor as pixel (0, 0), projecting is one division, near plane or not.
    problem = problem.crop(problem.camera.image_origin)
    x3d = problem.points.x3d
    homogeneous = torch.cat((x3d, torch.ones_like(x3d[..., :1])), dim=-1).mT
    u, v, z = (row @ homogeneous for row in _projections(problem, pose))
    nearness = z.clamp(min=problem.camera.z_min).reciprocal()
    squared = _error(problem, u * nearness, 0).square() + _error(problem, v * nearness, 1).square()
    return problem.robust_kernel.cost(squared, problem.delta[..., None, None]).sum(-1).movedim(-1, 0)


def _projections(problem: PnPProblem, pose: Tensor) -> Tensor:
    """M [R | t] with the rows in front and the samples behind the batch: (3, ..., S, 4) from poses
    (S, ..., D).
    """
    return (problem.camera.matrix @ pose_space(pose).matrix(pose)).movedim((-2, 0), (0, -2))


def _error(problem: PnPProblem, pixel: Tensor, axis: int) -> Tensor:
    """Weighted reprojection error along one axis (..., S, N)."""
    low, high = (
        limit[..., axis, None, None] for limit in (problem.camera.clip_min, problem.camera.clip_max)
    )
    return (
        torch.clamp(pixel, low, high) - problem.points.x2d[..., None, :, axis]
    ) * problem.points.w2d[..., None, :, axis]


def rows(
    problem: PnPProblem, pose: Tensor, zero_clipped: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost (S, ...), rescaled residuals (S, ..., 2, N) and their transposed Jacobian (S, ..., T, 2,
    N) at poses (S, ..., D).
    """
    space = pose_space(pose)
    arm = space.rotation(pose) @ problem.points.x3d.mT
    pixel, slope = problem.camera.project_image(
        problem.camera.matrix @ (arm + pose[..., :3, None]), zero_clipped
    )
    weight, delta = problem.points.w2d.mT, problem.delta[..., None]
    weighted = (pixel - problem.points.x2d.mT) * weight
    squared = weighted.square().sum(-2)
    scale = problem.robust_kernel.scale(squared, delta)[..., None, :]
    jacobian = space.pull_back_jacobian(arm, slope) * (weight * scale)[..., None, :, :]
    return problem.robust_kernel.cost(squared, delta).sum(-1), weighted * scale, jacobian


def normal_equations(
    problem: PnPProblem, pose: Tensor, zero_clipped: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost (S, ...), gradient J^T F (S, ..., T) and Hessian J^T J (S, ..., T, T) of the rescaled
    residuals.
    """
    total, residual, jacobian = rows(problem, pose, zero_clipped)
    jacobian = jacobian.flatten(-2)
    return total, (jacobian @ residual.flatten(-2)[..., None])[..., 0], jacobian @ jacobian.mT
