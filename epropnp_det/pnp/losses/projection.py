"""The projection loss of BPnP: the model's vertices, projected with the solution and with the true
pose.

`reprojection_loss` is another thing: the cost of the correspondences at the true pose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .._records import full_precision
from ..ops.robust import ROBUST
from ..problem import PnPProblem
from ..results import PoseEstimate
from ..spaces import pose_space
from .baselines import implicit_solution


@full_precision
def projection_loss(
    problem: PnPProblem,
    estimate: PoseEstimate,
    vertices: Tensor,
    target: Tensor,
    robust: str = "none",
    delta: float = 1.0,
) -> Tensor:
    """sum_j rho(|pi(z_j | y*) - pi(z_j | y_gt)|^2) over vertices z_j [px^2], differentiated through
    the solution y* as in `implicit_pose` (Chen et al., *End-to-End Learnable Geometric Vision by
    Backpropagating PnP Optimization*, CVPR 2020, Eq. (8) and its text).

    Args:
        problem: (...).
        estimate: (...), its solution.
        vertices: (..., V, 3) [m] in the object frame.
        target: (..., D) true poses.
        robust: kernel rho, as of `PnPProblem`; 'none' for plain squares.
        delta: threshold of the kernel [px].

    Returns:
        (...); zero, without gradient, where the estimate is not valid or no strict minimum of the
        cost.

    Raises:
        ValueError: no kernel of that name.
    """
    if robust not in ROBUST:
        raise ValueError(
            f"projection_loss: unknown robust kernel {robust!r}; use one of {[*ROBUST]}"
        )
    moved, strict = solution_displacement(problem, estimate, vertices, target)
    squared = moved.square().sum(-1)
    threshold = torch.full_like(squared[..., :1], delta)
    return 2 * ROBUST[robust].cost(squared, threshold).sum(-1).masked_fill(~strict, 0)


@full_precision
def solution_displacement(
    problem: PnPProblem, estimate: PoseEstimate, vertices: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """Where the solution projects vertices, less where the true pose does, differentiated through
    the solution as in `implicit_pose`. The limits of the camera do not count: a clamped pixel has
    no gradient.

    Args:
        problem, estimate, vertices, target: as of `projection_loss`.

    Returns:
        (..., V, 2) [px], and (...) True where the estimate is valid and a strict minimum of the
        cost; elsewhere the displacement is zero, without gradient.
    """
    pose, strict = implicit_solution(problem, estimate)
    # Replaced before the projection: one behind the camera would turn a zero gradient into NaN.
    pose = torch.where(strict[..., None], pose, target)
    camera = problem.camera
    free = camera.replace_unchecked(
        clip_min=torch.full_like(camera.clip_min, -torch.inf),
        clip_max=torch.full_like(camera.clip_max, torch.inf),
    ).each_point()
    space = pose_space(pose)
    seen = free.project(space.transform(pose, vertices))
    return seen - free.project(space.transform(target, vertices)), strict
