"""The solution as a function of points and camera, and the projection loss, against recordings:
derivatives of the argmin by implicit differentiation of the true gradient (`exact`), not BPnP's
released formula, which is off by 2 to 43 %.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    PnPProblem,
    PoseEstimate,
    implicit_pose,
    projection_loss,
)
from epropnp_det.pnp.solver import estimate_at
from tests.tolerances import EXACT

CASES = 7
PROJECTIONS = 2
# [px]; no projection comes near.
FAR = 1e6


@pytest.fixture(params=range(CASES))
def case(request: pytest.FixtureRequest, reference_folder: Path) -> dict[str, Any]:
    return torch.load(reference_folder / "bpnp.pt", weights_only=True)["cases"][request.param]


@pytest.fixture(params=range(PROJECTIONS))
def projection(request: pytest.FixtureRequest, reference_folder: Path) -> dict[str, Any]:
    recorded = torch.load(reference_folder / "bpnp.pt", weights_only=True)
    return recorded["projection_loss"][request.param]


def plain_problem(case: dict[str, Any]) -> tuple[PnPProblem, dict[str, Tensor]]:
    """Least squares without weights, kernel or limits, and its leaves."""
    leaves = {name: case[name].clone().requires_grad_() for name in ("pts2d", "pts3d", "K")}
    camera = Camera(leaves["K"], torch.full((2,), -FAR), torch.full((2,), FAR), z_min=1e-3)
    points = Correspondences(leaves["pts3d"], leaves["pts2d"], torch.ones_like(leaves["pts2d"]))
    return PnPProblem(points, camera, torch.ones((), dtype=torch.float64), "none"), leaves


def se3_pose(pose: Tensor) -> Tensor:
    """The pose (7,) of a rotation vector and a translation (6,)."""
    angle = pose[:3].norm()
    axis = pose[:3] / angle
    return torch.cat((pose[3:], (angle / 2).cos()[None], (angle / 2).sin() * axis))


def rotation_first(pose: Tensor) -> Tensor:
    """The rotation vector and the translation (6,) of a pose (7,)."""
    sine = pose[4:].norm()
    angle = 2 * torch.atan2(sine, pose[3])
    return torch.cat((pose[4:] / sine * angle, pose[:3]))


def estimate_of(case: dict[str, Any], problem: PnPProblem) -> PoseEstimate:
    return estimate_at(problem.detach(), se3_pose(case["pose_minimum"]))


def close(got: Tensor, expected: Tensor) -> None:
    """To 1e-8 of the largest number."""
    torch.testing.assert_close(got, expected, rtol=0, atol=EXACT * float(expected.abs().max()))


def test_gradients_of_the_solution(case: dict[str, Any]) -> None:
    problem, leaves = plain_problem(case)
    pose = implicit_pose(problem, estimate_of(case, problem))
    close(rotation_first(pose.detach()), case["pose_minimum"])
    (rotation_first(pose) * case["grad_pose"]).sum().backward()
    for name, leaf in leaves.items():
        close(leaf.grad, case["exact"][f"grad_{name}"])


def test_projection_loss_and_its_gradient(projection: dict[str, Any]) -> None:
    problem, leaves = plain_problem(projection)
    target = se3_pose(projection["pose_true"])
    estimate = estimate_of(projection, problem)
    loss = projection_loss(problem, estimate, projection["model_points"], target)
    close(loss.detach(), projection["loss_at_minimum"])
    loss.backward()
    close(leaves["pts3d"].grad, projection["exact_grad_pts3d"])
