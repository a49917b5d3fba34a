"""Points, weights and limits of the PnP problem, and its solution, as the released programs have
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from epropnp_det.object_pose.problem import problem_of_all_cells, problem_of_drawn_cells
from epropnp_det.object_pose.released.epnp import epnp_start
from epropnp_det.object_pose.structures import CorrespondenceMaps
from epropnp_det.object_pose.training.coordinate_loss import CoordinateLoss
from epropnp_det.pnp import (
    PnPProblem,
    gauss_newton,
    gauss_newton_step,
    levenberg_marquardt,
)
from epropnp_det.pnp.losses.pose_distance import orientation_distance, position_distance
from tests.tolerances import RECORDED_FLOAT64

from .recordings import (
    geometry_of,
    maps_of,
    narrow_network,
    point_settings,
    pose_from_matrix,
    recording,
)


def close(ours: Tensor, recorded: Tensor) -> None:
    torch.testing.assert_close(
        ours, recorded, rtol=RECORDED_FLOAT64, atol=RECORDED_FLOAT64 * float(recorded.abs().max())
    )


def close_pose(ours: Tensor, recorded: Tensor) -> None:
    sign = (ours[..., 3:] * recorded[..., 3:]).sum(-1, keepdim=True).sign()
    close(ours[..., :3], recorded[..., :3])
    close(ours[..., 3:] * sign, recorded[..., 3:])


@pytest.fixture(scope="module", params=["v1", "v2"])
def recorded(request, reference_folder: Path) -> dict[str, Any]:
    return recording(reference_folder, f"six_dof_{request.param}")


@pytest.fixture(scope="module")
def problem(recorded) -> PnPProblem:
    maps = CorrespondenceMaps(recorded["noc_used"], recorded["logit"], recorded["scale"])
    settings = point_settings(recorded["version"])
    return problem_of_drawn_cells(maps, geometry_of(recorded), settings, recorded["sample_inds"])


def test_points_and_weights(recorded, problem: PnPProblem):
    for name in ("x3d", "x2d", "w2d"):
        close(getattr(problem.points, name), recorded[name])


def test_limits_and_threshold(recorded, problem: PnPProblem):
    close(problem.camera.clip_min, recorded["clip_min"])
    close(problem.camera.clip_max, recorded["clip_max"])
    close(problem.delta, recorded["delta"])


def test_costs(recorded, problem: PnPProblem):
    close(problem.cost(recorded["pose_gt"]), recorded["cost_target"])
    close(problem.cost(recorded["pose_samples"]), recorded["cost_samples"])


def test_solution_and_step(recorded, problem: PnPProblem):
    solved = levenberg_marquardt(problem, recorded["pose_gt"], iterations=5)
    close_pose(solved.pose, recorded["pose_opt"])
    close_pose(gauss_newton_step(problem, recorded["pose_opt"]), recorded["pose_opt_plus"])


def test_derivative_losses(recorded, problem: PnPProblem):
    """The recorded losses are those of the solution itself, before the step."""
    pair = recorded["pose_opt"], recorded["pose_gt"]
    close(position_distance(*pair, beta=0.05).mean(), recorded["position_loss_of_pose_opt"])
    close(orientation_distance(*pair).mean(), recorded["orientation_loss_of_pose_opt"])


def test_coordinate_loss(recorded):
    loss = CoordinateLoss(reduction="all")
    close(
        loss(recorded["noc"], recorded["noc_target"], recorded["mask"]),
        recorded["coordinate_loss"],
    )


@pytest.fixture(scope="module", params=["v1", "v2"])
def step(request, reference_folder: Path) -> dict[str, Any]:
    return recording(reference_folder, f"six_dof_step_{request.param}")


def combined(step: dict[str, Any], maps: CorrespondenceMaps) -> CorrespondenceMaps:
    """The maps that the recorded runs used, so that the pose problem is a good one."""
    return CorrespondenceMaps(
        step["fit"] + 0.05 * maps.noc, maps.logit + 4 * (step["mask"].double() - 1), maps.scale
    )


@torch.no_grad()
def test_released_test_batch(step):
    """EPnP on the best fifth of the cells, then three undamped Gauss-Newton steps."""
    expected = step["test"]
    network = narrow_network(step["state_dict"]).eval()
    maps = combined(step, maps_of(network, step["features"]))
    close(maps.noc, expected["noc"])
    close(maps.logit, expected["logit"])
    close(maps.scale, expected["scale"])
    problem = problem_of_all_cells(maps, geometry_of(step), point_settings(step["version"]))
    close(problem.points.x2d[0], expected["x2d_0"])
    close(problem.points.w2d[0], expected["w2d_0"])
    close(problem.points.w2d.sum(1), expected["w2d_sum"])
    close(problem.delta, expected["delta"])
    start = epnp_start(problem)
    close_pose(start, expected["pose_init"])
    close_pose(gauss_newton(problem, start, iterations=3).pose, expected["pose_opt"])


def test_quaternions_of_matrices(step):
    matrix = torch.nn.functional.pad(step["quaternion_cases"], (0, 1))
    close_pose(
        pose_from_matrix(matrix),
        torch.nn.functional.pad(step["quaternion_of_cases"], (3, 0)),
    )
