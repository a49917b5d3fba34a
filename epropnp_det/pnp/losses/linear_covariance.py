"""The linear-covariance loss: the spread of the pose that the errors of the points would cause."""

from __future__ import annotations

import torch
from torch import Tensor

from .._linalg import identity, solve
from .._records import full_precision
from ..problem import PnPProblem
from ..spaces import pose_space
from .pose_distance import smooth_l1_norm


@full_precision
def linear_covariance_loss(problem: PnPProblem, target: Tensor, beta: float = 1.0) -> Tensor:
    """`pose_distance`, to second order, of a pose with the covariance that follows from the errors
    of the points at the true pose (Liu et al., *Linear-Covariance Loss for End-to-End Learning of
    6D Pose Estimation*, ICCV 2023).

    Linearised at the true pose, the weighted residual f_i of a point shifts the solution by
    s_i = -H^-1 J_i^T f_i, with H = J^T J. As the errors are taken for independent, the covariance
    is sum_i s_i s_i^T: unlike the shift of the solution, which is sum_i s_i, it does not cancel.
    So its gradient moves every point towards its true place, whereas a loss of the solution moves
    some away from it, to make up for the errors of the others. No solution is needed.

    Args:
        problem: (...). The Jacobian counts as constant in the object points and the threshold.
        target: (..., D) true poses.
        beta: standard deviation of the position [m] at which the square becomes a line.

    Returns:
        (...), never negative; zero, without gradient, where the points determine no pose.
    """
    space = pose_space(target)
    valid = problem.determines(space) & space.is_valid(target)
    target = torch.where(valid[..., None], target, space.identity(target))
    problem = problem.crop_to_points()
    points = problem.points
    fixed = problem.replace_unchecked(
        points=points.replace_unchecked(x3d=points.x3d.detach()), delta=problem.delta.detach()
    )
    residual = problem.residual(target)
    _, jacobian = fixed.residual_with_jacobian(target)
    hessian = fixed.linearize(target).hessian
    inverse = solve(hessian[..., None, :, :], identity(hessian).expand_as(hessian))
    shift = (residual[..., None] * jacobian).sum(-2) @ inverse  # (..., N, T), -s_i
    turn = shift[..., 3:] @ space.axes(space.rotation(target))
    position = smooth_l1_norm(shift[..., :3].flatten(-2), beta)
    # E[1 - cos(angle)] = E[angle^2] / 2 to second order.
    return (position + turn.square().sum((-2, -1)) / 2).masked_fill(~valid, 0)
