"""What the paper compares the Monte Carlo loss with: implicit differentiation, the Laplace
approximation and reprojection.

All of them use one solution y*, or none. They take the same problems and estimates as the
Monte Carlo loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .._linalg import identity, safe_cholesky, scaled, solve, unit_scale
from .._records import full_precision
from ..ops import backend
from ..problem import PnPProblem
from ..results import PoseEstimate
from ..spaces import PoseSpace, pose_space
from ..spaces.se3 import SE3Pose
from .pose_distance import pose_distance


@full_precision
def exact_hessian(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Second derivative (S, ..., D, D) of the cost in the tangent of poses (S, ..., D) where the
    gradient is zero.

    Unlike the Gauss-Newton Hessian it has the terms with the curvature of projection, rotation and
    Huber kernel. Detached.
    """
    if torch.jit.is_tracing():
        raise RuntimeError(
            "torch.jit.trace cannot record the derivatives inside exact_hessian and implicit_pose; "
            "use torch.compile, or trace without them"
        )
    space = pose_space(pose)
    problem = problem.detach().crop_to_points()
    pose = pose.detach()

    def gradient_at(tangent: Tensor) -> Tensor:
        return problem.linearize(space.retract(pose, tangent)).gradient

    if backend.transforms_active():
        columns = _forward_derivatives(
            gradient_at, pose.new_zeros(*pose.shape[:-1], space.tangent_dim)
        )
    else:
        with torch.enable_grad():
            # One copy of the tangent for each component of the gradient: a single backward pass
            # gives all rows of the Hessian.
            zeros = pose.new_zeros(space.tangent_dim, *pose.shape[:-1], space.tangent_dim)
            tangent = zeros.requires_grad_()
            total = gradient_at(tangent).diagonal(dim1=0, dim2=-1).sum()
            (columns,) = torch.autograd.grad(total, tangent)
    hessian = columns.movedim(0, -2)
    return (hessian + hessian.mT) / 2


def _forward_derivatives(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """d function / d at_i (T, ..., T) for all components i, one forward pass each: torch.func takes
    no `requires_grad_` inside.
    """
    axes = identity(at.new_empty(at.shape[-1], at.shape[-1]))
    return torch.stack(
        [torch.func.jvp(function, (at,), (axis.expand_as(at),))[1] for axis in axes.unbind(0)]
    )


def implicit_pose(problem: PnPProblem, estimate: PoseEstimate) -> Tensor:
    """The solution y* as a differentiable function of all points, of the camera matrix and of
    delta, by the implicit function theorem.

    The gradient g(y, X) of the cost vanishes at y*(X), so dy*/dX = -(dg/dy)^-1 dg/dX (Gould et al.,
    *Deep Declarative Networks*, TPAMI 2021; BPnP does the same). Exact if the solver has converged.

    Args:
        problem: (...).
        estimate: (S, ...), its solution.

    Returns:
        (S, ..., D), equal to `estimate.pose`, or to the identity where that is not valid. No
        gradient comes from such an object,
        nor from one whose cost is not strictly convex at y*: there y* is no function of the points.
        `implicit_solution` flags both.
    """
    return implicit_solution(problem, estimate)[0]


@full_precision
def implicit_solution(problem: PnPProblem, estimate: PoseEstimate) -> tuple[Tensor, Tensor]:
    """`implicit_pose` (S, ..., D), and (S, ...) True where it has a gradient: the estimate is valid
    and a strict minimum.
    """
    space = pose_space(estimate.pose)
    # Replaced before it is used: the derivative at a pose that is not finite would turn a zero
    # gradient into NaN.
    pose = torch.where(
        estimate.valid[..., None], estimate.pose.detach(), space.identity(estimate.pose)
    )
    gradient = problem.crop_to_points().linearize(pose).gradient
    # Less its own value, so that y* stays where it is and only the derivative remains.
    change = (gradient - gradient.detach()).masked_fill(~estimate.valid[..., None], 0)
    hessian = exact_hessian(problem, pose)
    _, flat = safe_cholesky(scaled(hessian, unit_scale(hessian)))
    return space.retract(pose, solve(hessian, -change)), estimate.valid & ~flat


def implicit_pose_loss(
    problem: PnPProblem, estimate: PoseEstimate, target: Tensor, beta: float = 1.0
) -> Tensor:
    """`pose_distance` of the solution to the true pose (..., D), differentiated through the
    solution: (...).

    Zero, without gradient, where the estimate is not valid.
    """
    pose = torch.where(estimate.valid[..., None], implicit_pose(problem, estimate), target)
    return pose_distance(pose, target, beta).masked_fill(~estimate.valid, 0)


@full_precision
def laplace_pose_loss(problem: PnPProblem, estimate: PoseEstimate, target_cost: Tensor) -> Tensor:
    """The KL loss of Eq. (5) with its integral by Laplace's method: cost(y_gt) - cost(y*) + D/2 log
    2 pi - 1/2 log det H(y*).

    H is the Gauss-Newton Hessian; the solution moves with the points as in `implicit_pose`. For
    quaternions there is a log 2 as well: the integral is over the whole sphere, which has each
    rotation twice. The result equals the Monte Carlo loss, less the log S which
    that one drops, where the posterior is Gaussian: one mode, and narrow enough for a linear
        projection.

    Args:
        problem: (...).
        estimate: (...), its solution.
        target_cost: (...), `problem.cost` at the true pose.

    Returns:
        (...); zero, without gradient, where the estimate is not valid or the target cost is not
        finite.
    """
    at = problem.crop_to_points().linearize(implicit_pose(problem, estimate))
    log_det, broken = _log_det(at.hessian)
    log_integral = _log_gauss(pose_space(estimate.pose)) - at.cost - log_det / 2
    return (target_cost + log_integral).masked_fill(
        broken | ~estimate.valid | ~target_cost.isfinite(), 0
    )


def _log_gauss(space: type[PoseSpace]) -> float:
    """log int exp(-|d|^2 / 2) over tangents d, times the peaks of a posterior: a quaternion and its
    opposite are one rotation.
    """
    peaks = 2 if space is SE3Pose else 1
    return space.tangent_dim / 2 * math.log(2 * math.pi) + math.log(peaks)


def _log_det(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """log det (...) of symmetric positive definite matrices (..., D, D), and (...) True where they
    are not (it is then zero).
    """
    scale = unit_scale(matrix.detach())
    _, broken = safe_cholesky(scaled(matrix.detach(), scale))
    # Replaced before it is factorised: a `where` afterwards would multiply NaN derivatives by zero.
    factor, _ = safe_cholesky(
        torch.where(broken[..., None, None], identity(matrix), scaled(matrix, scale))
    )
    log_det = 2 * (factor.diagonal(dim1=-2, dim2=-1).log() - scale.log()).sum(-1)
    return log_det.masked_fill(broken, 0), broken


def reprojection_loss(problem: PnPProblem, target: Tensor) -> Tensor:
    """The first term of Eq. (5) alone: the cost (...) at the true pose (..., D); zero, without
    gradient, where it is not finite.

    The cost of other poses does not enter. Coincident projections and zero weights minimise it too.
    Use it only with direct supervision of points and weights.
    """
    cost = problem.cost(target)
    return cost.masked_fill(~cost.isfinite(), 0)
