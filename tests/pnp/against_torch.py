"""Hard problems, and comparisons of a backend's results with those of plain torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, ops
from epropnp_det.pnp.ops import operators, torch_impl
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import NATIVE, NATIVE_FLOAT32

from . import scenes
from .scenes import seeded, uniform

ROBUST = pytest.mark.parametrize("robust", ["huber", "none"])
CORNER = pytest.mark.parametrize("corner", [False, True], ids=["whole", "cropped"])
DTYPE = pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float64, NATIVE), (torch.float32, NATIVE_FLOAT32)],
    ids=["float64", "float32"],
)


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


def check_costs(name: str, problem: PnPProblem, pose: Tensor) -> None:
    """Costs and their gradients are those of plain torch."""
    assert_close(
        costs_and_gradients(name, problem, pose),
        costs_and_gradients("torch", problem, pose),
        NATIVE,
    )


def check_rounding_of_costs(
    name: str, problem: PnPProblem, pose: Tensor, dtype: torch.dtype, tolerance: float
) -> None:
    """Costs and their gradients in `dtype` are those of float64, for inputs that `dtype` has: what
    is measured is rounding inside the kernels, not that of their inputs.
    """
    problem = problem.to(dtype).to(torch.float64)
    pose = pose.to(dtype).to(torch.float64)
    expected = costs_and_gradients("torch", problem, pose)
    with_threshold = 5 if problem.robust == "huber" else 4
    assert all((gradient != 0).any() for gradient in expected[1:with_threshold])
    assert_close(costs_and_gradients(name, problem, pose, dtype), expected, tolerance)


def masked_with_own_cameras() -> tuple[PnPProblem, Tensor]:
    """Three objects with 20, 7 and no points, each seen by a camera of its own; poses (1, 3, 4)."""
    problem, pose = scenes.problem((3,), number=20)
    mask = torch.arange(20) < torch.tensor([[20], [7], [0]])
    whole = scenes.camera()
    cameras = Camera.stack([whole, whole.crop(10.0, 20.0), whole.scale(0.5, 0.4)])
    points = replace(problem.points, mask=mask)
    return PnPProblem(points, cameras, problem.delta + 0.1), pose[None]


def second_derivatives(name: str, problem: PnPProblem, pose: Tensor) -> list[Tensor]:
    """Gradients of the squared gradients of the cost."""
    again, leaves = of_inputs(problem)
    with ops.use_backend(name):
        cost = again.cost(pose)
    first = torch.autograd.grad(cost.sum(), leaves, create_graph=True)
    return list(torch.autograd.grad(sum(one.square().sum() for one in first), leaves))


def not_covered(problem: PnPProblem) -> tuple[PnPProblem, ...]:
    """Problems like this one that no kernel is for."""
    camera = replace(problem.camera, matrix=problem.camera.matrix.clone().requires_grad_())
    return (
        replace(problem, robust="cauchy"),
        replace(problem, camera=camera),
        problem.to("meta"),
    )
