"""The random start: poses from random few-point problems, and those of lowest full cost."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._records import full_precision, no_gradient
from .problem import PnPProblem
from .settings import DEFAULT_START, RandomSampleInit
from .solver import lowest, run_solver
from .spaces import pose_space
from .spaces.base import PoseSpace
from .spaces.yaw import YawPose


@no_gradient
@full_precision
def random_sample_init(
    problem: PnPProblem,
    settings: RandomSampleInit = DEFAULT_START,
    generator: torch.Generator | None = None,
    solver: str = "lm",
    space: type[PoseSpace] = YawPose,
) -> Tensor:
    """The start pose (..., D): of `random_proposals` the one of lowest full cost."""
    return lowest(problem, random_proposals(problem, settings, generator, solver, space))


@no_gradient
@full_precision
def random_proposals(
    problem: PnPProblem,
    settings: RandomSampleInit,
    generator: torch.Generator | None,
    solver: str,
    space: type[PoseSpace],
) -> Tensor:
    """Solutions (proposals, ..., D) of random few-point problems.

    Each proposal draws its points by weight, takes a uniform rotation and the translation that
    matches mean and spread of its image points, and is refined by a few solver steps on its points.
    The problem should be centred.
    """
    few = _draw_points(problem, settings, generator)
    rotation = space.random_rotation(tuple(few.shape), problem.points.x3d, generator)
    start = _match_spread(few, rotation, space)
    return run_solver(few, start, settings.iterations, solver)


@no_gradient
@full_precision
def distinct(problem: PnPProblem, pose: Tensor, number: int, separation: float) -> Tensor:
    """Of poses (S, ..., D) those of lowest cost with orientations at least `separation` [rad]
    apart, (number, ..., D), best first; others of lowest cost where these are too few.
    """
    number = min(number, len(pose))
    if number == 1:
        return lowest(problem, pose)[None]
    space = pose_space(pose)
    cost = problem.cost(pose).nan_to_num(nan=torch.inf)
    apart = torch.ones_like(cost, dtype=torch.bool)
    picked: list[Tensor] = []
    for _ in range(number):
        far = cost.masked_fill(~apart, torch.inf)
        index = torch.where(far.isinf().all(0), cost, far).argmin(0)[None]
        best = pose.gather(0, index[..., None].expand(1, *pose.shape[1:]))
        picked.append(best)
        apart = apart & (space.angle_cosine(pose, best) < math.cos(separation))
        cost = cost.scatter(0, index, torch.inf)
    return torch.cat(picked)


def _draw_points(
    problem: PnPProblem, settings: RandomSampleInit, generator: torch.Generator | None
) -> PnPProblem:
    """Problems (proposals, ...) of few points, drawn without replacement by weight; usable points
    repeat if they are too few.
    """
    points = problem.points
    weight = points.w2d.sum(-1)
    # Exponential clocks of rate w: the first k to ring are a weighted draw without replacement (the
    # Gumbel top-k trick).
    uniform = torch.rand(
        (settings.proposals, *weight.shape),
        generator=generator,
        dtype=weight.dtype,
        device=weight.device,
    )
    clock = -uniform.log() / weight
    number = min(settings.points, weight.shape[-1])
    order = clock.topk(number, dim=-1, largest=False).indices
    usable = (weight > 0).sum(-1, keepdim=True).clamp(1, max(number, 1))
    slot = torch.arange(settings.points, device=weight.device) % usable
    order = order.gather(-1, slot.expand(*order.shape[:-1], -1))
    shape = order.shape[:-1]
    return problem.replace_unchecked(
        points=points.replace_unchecked(
            x3d=_take(points.x3d, order),
            x2d=_take(points.x2d, order),
            w2d=_take(points.w2d, order),
            mask=None,
        ),
        camera=problem.camera.expand(*shape),
        delta=problem.delta.expand(shape),
        # These proposals come from the points alone.
        prior=None,
    )


def _take(values: Tensor, order: Tensor) -> Tensor:
    """values (..., N, C) at indices (P, ..., K): (P, ..., K, C)."""
    values = values.expand(order.shape[0], *values.shape)
    return values.gather(-2, order[..., None].expand(*order.shape, values.shape[-1]))


def _match_spread(problem: PnPProblem, rotation: Tensor, space: type[PoseSpace]) -> Tensor:
    """Poses (P, ..., D): the rotations given, moved to where mean and spread of the projected
    points match the image points.
    """
    matrix = problem.camera.matrix
    x2d = problem.points.x2d
    arm = space.transform(rotation, problem.points.x3d)
    mean_arm = arm.mean(-2, keepdim=True)
    mean_x2d = x2d.mean(-2, keepdim=True)
    # Far away a point moves on the image by A (arm - mean) / z with A = M[:2] - pixel (x) M[2]: the
    # ratio of spreads is z.
    slope = matrix[..., :2, :] - mean_x2d.mT * matrix[..., 2:, :]
    shift = (arm - mean_arm) @ slope.mT
    spread = (x2d - mean_x2d).square().sum((-2, -1)).clamp(min=torch.finfo(x2d.dtype).tiny)
    depth = (shift.square().sum((-2, -1)) / spread).sqrt().clamp(2 * problem.camera.z_min, 1e4)
    homogeneous = torch.cat((mean_x2d, torch.ones_like(mean_x2d[..., :1])), dim=-1).mT
    ray = torch.linalg.solve_ex(matrix, homogeneous)[0][..., 0]
    return torch.cat((depth[..., None] * ray - mean_arm[..., 0, :], rotation[..., 3:]), dim=-1)
