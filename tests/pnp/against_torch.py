"""Hard problems, and comparisons of a backend's results with those of plain torch."""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.pnp import Correspondences, PnPProblem, ops
from epropnp_det.pnp.ops import operators, torch_impl
from epropnp_det.pnp.spaces.base import PoseSpace

from . import scenes
from .scenes import seeded, uniform


def hard(
    space: type[PoseSpace], robust: str = "huber", corner: bool = False, samples: int = 37
) -> tuple[PnPProblem, Tensor]:
    """Outliers, projections outside the limits and points nearer than the near plane; poses
    (samples, 5, D).
    """
    problem, pose = scenes.problem((5,), number=41, noise=20.0, space=space)
    pose = space.retract(pose, uniform((samples, 5, space.tangent_dim), -1.0, 1.0, seeded(5)))
    pose[2, :, 0] += 15.0
    pose[3, :, 2] = 0.4
    pose[-1, :, 1] -= 15.0
    camera = problem.camera.crop(300.0, -200.0) if corner else problem.camera
    return PnPProblem.adaptive(problem.points, camera, robust=robust), pose


def of_inputs(
    problem: PnPProblem, dtype: torch.dtype = torch.float64
) -> tuple[PnPProblem, list[Tensor]]:
    """The problem again, and its points and threshold as leaves."""
    points = problem.points
    leaves = [
        value.detach().to(dtype).requires_grad_()
        for value in (points.x3d, points.x2d, points.w2d, problem.delta)
    ]
    camera = problem.camera.to(dtype)
    return PnPProblem(
        Correspondences(*leaves[:3], points.mask), camera, leaves[3], problem.robust
    ), leaves


def cost_of_any_pose(name: str, problem: PnPProblem, pose: Tensor) -> Tensor:
    """Costs below `PnPProblem.cost`, which takes out what is no pose."""
    tensors = problem.tensors
    if name == "torch":
        return torch_impl.cost(tensors, pose)
    return operators.cost(*tensors, ops.each_sample(tensors, pose))


def costs_and_gradients(
    name: str, problem: PnPProblem, pose: Tensor, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Costs, and the gradients of their sum with the weights 0, 1, 2, ... in x3d, x2d, w2d and
    delta.
    """
    again, leaves = of_inputs(problem, dtype)
    with ops.use_backend(name):
        cost = again.cost(pose.to(dtype))
    weight = torch.arange(len(pose), dtype=dtype, device=cost.device).reshape(
        -1, *(1,) * (cost.ndim - 1)
    )
    return [
        cost.detach(),
        *torch.autograd.grad((weight * cost).sum(), leaves, materialize_grads=True),
    ]


def assert_close(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Relative to the largest number of each tensor."""
    for first, second in zip(actual, expected):
        second = second.to(torch.float64)
        largest = float(second.abs().max()) if second.numel() else 0.0
        torch.testing.assert_close(
            first.to(torch.float64), second, rtol=0, atol=tolerance * max(largest, 1.0)
        )
