"""Point estimates: Levenberg-Marquardt, and the differentiable Gauss-Newton step of the derivative
regularisation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from . import ops
from ._constants import (
    DAMPING,
    MAX_DIAGONAL,
    MAX_RADIUS,
    MIN_DIAGONAL,
    MIN_RELATIVE_DECREASE,
    RADIUS,
    ROUNDING,
)
from ._linalg import damped_inverse, identity, solve
from ._records import full_precision, no_gradient
from .ops import operators, torch_impl
from .problem import PnPProblem
from .results import Linearization, PoseEstimate
from .spaces import pose_space


@full_precision
def gauss_newton_step(problem: PnPProblem, pose: Tensor, damping: float = DAMPING) -> Tensor:
    """y* + dy of Eq. (9): one Gauss-Newton step from the detached pose, differentiable in all
    points and in delta.

    Args:
        problem: (...).
        pose: (S, ..., D), taken as a constant.
        damping: epsilon of Eq. (9).

    Returns:
        (S, ..., D). An object whose normal equations cannot be solved, or whose points determine no
        pose, stays where it is, with zero gradient.
    """
    pose = pose.detach()
    tensors = problem.tensors
    if problem.has_kernel("newton_step"):
        poses = ops.each_sample(tensors, pose)
        step = operators.newton_step(*tensors, poses, float(damping))
    elif problem.prior is not None:
        at = problem.crop_to_points().linearize(pose)
        step = solve(at.hessian + damping * identity(at.hessian), -at.gradient)
        step = step.masked_fill(~problem.determines(pose_space(pose))[..., None], 0)
    else:
        step = torch_impl.newton_step(tensors, pose, damping)
    return pose_space(pose).retract(pose, step)


def levenberg_marquardt(problem: PnPProblem, start: Tensor, iterations: int = 10) -> PoseEstimate:
    """Minimises the cost from `start` (S, ..., D) by a fixed number of Levenberg-Marquardt steps
    with a trust region.

    Steps, acceptance and radius follow Ceres Solver: damping by the clamped diagonal over the
    radius, acceptance where the cost falls by at least a thousandth of what the quadratic model
    predicts. Samples S are solved independently.
    """
    pose, at = lm_steps(problem, start, iterations)
    return _estimate(problem, pose, at)


@no_gradient
@full_precision
def lm_steps(problem: PnPProblem, start: Tensor, iterations: int) -> tuple[Tensor, Linearization]:
    """The steps of `levenberg_marquardt`: where they end, and the linearization there."""
    space = pose_space(start)
    best = _broadcast(problem, start)
    problem = problem.crop_to_points()
    at = problem.linearize(best)
    radius = torch.full_like(at.cost, RADIUS)
    shrink = torch.full_like(at.cost, 2.0)
    # Near the minimum the cost changes by less than it is rounded, yet the steps are still good:
    # both sides of the ratio get a share of the cost (Conn, Gould and Toint, Trust Region Methods,
    # Section 17.4.2).
    for _ in range(iterations):
        step = _damped_step(at, radius)
        noise = ROUNDING * torch.finfo(at.cost.dtype).eps * at.cost
        candidate = space.retract(best, step)
        there = problem.linearize(candidate)
        ratio = (at.cost - there.cost + noise) / (_promised_decrease(at, step) + noise)
        # NaN, from a candidate that is not finite, compares false: not accepted.
        accepted = ratio > MIN_RELATIVE_DECREASE
        best = torch.where(accepted[..., None], candidate, best)
        at = there.torch_where(accepted, at)
        wider = radius / (1 - (2 * ratio - 1) ** 3).clamp(min=1 / 3)
        radius = torch.where(accepted, wider.clamp(max=MAX_RADIUS), radius / shrink)
        shrink = torch.where(accepted, torch.full_like(shrink, 2.0), 2 * shrink)
    return best, at


def gauss_newton(problem: PnPProblem, start: Tensor, iterations: int = 10) -> PoseEstimate:
    """Plain Gauss-Newton from `start` (S, ..., D): every step is taken, and rows of clipped
    projections keep their derivative.

    How the released programs test. It may diverge; it is here to reproduce them.
    """
    pose, at = gauss_newton_steps(problem, start, iterations)
    return _estimate(problem, pose, at)


@no_gradient
@full_precision
def gauss_newton_steps(
    problem: PnPProblem, start: Tensor, iterations: int
) -> tuple[Tensor, Linearization]:
    """The steps of `gauss_newton`: where they end, and the linearization there."""
    space = pose_space(start)
    pose = _broadcast(problem, start)
    problem = problem.crop_to_points()
    for _ in range(iterations):
        at = problem.linearize(pose, zero_clipped=False)
        pose = space.retract(pose, solve(at.hessian + DAMPING * identity(at.hessian), -at.gradient))
    return pose, problem.linearize(pose)


# Steps of a solver: from a problem, a start (S, ..., D) and a number of steps to the pose reached
# and the linearization there.
Steps = Callable[[PnPProblem, Tensor, int], tuple[Tensor, Linearization]]
STEPS: dict[str, Steps] = {"lm": lm_steps, "gauss_newton": gauss_newton_steps}


@no_gradient
@full_precision
def estimate_at(problem: PnPProblem, pose: Tensor) -> PoseEstimate:
    """The estimate with its minimum at this pose (S, ..., D)."""
    pose = _broadcast(problem, pose)
    problem = problem.crop_to_points()
    return _estimate(problem, pose, problem.linearize(pose))


@no_gradient
@full_precision
def run_solver(problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
    """Poses (S, ..., D) after so many steps of a solver, 'lm' or 'gauss_newton', from a start (S,
    ..., D).
    """
    tensors = problem.tensors
    if problem.has_kernel("solve"):
        cropped = torch_impl.crop_to_points(tensors)
        poses = ops.each_sample(tensors, start)
        return operators.solve(*cropped, poses, method, iterations)
    return STEPS[method](problem, start, iterations)[0]


def lowest(problem: PnPProblem, pose: Tensor) -> Tensor:
    """Of poses (S, ..., D) the one of lowest cost for each object, (..., D)."""
    if len(pose) == 1:
        return pose[0]
    best = problem.cost(pose).nan_to_num(nan=torch.inf).argmin(0)
    return pose.gather(0, best[None, ..., None].expand(1, *pose.shape[1:]))[0]


def _broadcast(problem: PnPProblem, pose: Tensor) -> Tensor:
    shape = torch.broadcast_shapes(pose.shape[:-1], problem.shape)
    return pose.detach().to(problem.points.x3d.dtype).expand(*shape, pose.shape[-1])


def _damped_step(at: Linearization, radius: Tensor) -> Tensor:
    """-(H + D / radius)^-1 g, D being the clamped diagonal of H."""
    diagonal = at.hessian.diagonal(dim1=-2, dim2=-1).clamp(MIN_DIAGONAL, MAX_DIAGONAL)
    return solve(at.hessian + torch.diag_embed(diagonal / radius[..., None]), -at.gradient)


def _promised_decrease(at: Linearization, step: Tensor) -> Tensor:
    """-(g s + s H s / 2): the decrease of the quadratic model along the step s."""
    return -(step * (at.gradient + 0.5 * (at.hessian @ step[..., None])[..., 0])).sum(-1)


@no_gradient
@full_precision
def _estimate(problem: PnPProblem, pose: Tensor, at: Linearization) -> PoseEstimate:
    space = pose_space(pose)
    centre = space.transform(pose, problem.points.mean_x3d()[..., None, :])[..., 0, :]
    in_front = problem.camera.depth(centre) > problem.camera.z_min
    if problem.prior is not None:
        # Points without weight are nowhere.
        in_front = in_front | ~problem.usable
    finite = space.is_valid(pose) & at.cost.isfinite()
    _, broken = damped_inverse(at.hessian)
    return PoseEstimate(
        pose, at.cost, at.hessian, problem.determines(space) & in_front & finite & ~broken
    )
