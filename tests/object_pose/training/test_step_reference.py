"""One training step of each released config: losses, gradients, log weights of the recorded
samples, and the weights after the optimizer's step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from epropnp_det.object_pose.problem import problem_of_drawn_cells
from epropnp_det.object_pose.released.key_names import our_name
from epropnp_det.object_pose.structures import CorrespondenceMaps, GroundTruth
from epropnp_det.object_pose.training.losses import ObjectPoseLosses
from epropnp_det.pnp import PnPProblem, PoseSamples
from epropnp_det.pnp.proposals.angular_central_gaussian import AngularCentralGaussian
from epropnp_det.pnp.proposals.student_t import StudentT
from epropnp_det.pnp.solver import estimate_at

from ..recordings import (
    geometry_of,
    maps_of,
    narrow_network,
    point_settings,
    pose_from_matrix,
    recording,
)
from ..test_problem_reference import close, close_pose, combined

RUNS = (("v1", "basic"), ("v1", "reg_loss"), ("v2", "cdpn_init"), ("v2", "no_model"))
RMSPROP = dict(lr=1e-4, alpha=0.99, eps=1e-8)


@dataclass(frozen=True)
class Step:
    """Our side of a recorded step, and the recording."""

    run: dict[str, Any]
    problem: PnPProblem
    gt_pose: Tensor
    maps: CorrespondenceMaps
    samples: PoseSamples
    losses: dict[str, Tensor]
    scale_after: Tensor
    gradients: dict[str, Tensor]
    gradients_of_maps: CorrespondenceMaps
    after: dict[str, Tensor]


@pytest.fixture(scope="module", params=RUNS, ids=lambda run: "_".join(run))
def step(request, reference_folder: Path) -> Step:
    version, name = request.param
    recorded = recording(reference_folder, f"six_dof_step_{version}")
    run = recorded[name]
    network = narrow_network(recorded["state_dict"]).train()
    maps = combined(recorded, maps_of(network, recorded["features"]))
    for value in (maps.noc, maps.logit, maps.scale):
        value.retain_grad()
    geometry = geometry_of(recorded)
    points = point_settings(version)
    problem = problem_of_drawn_cells(maps, geometry, points, run["sample_inds"])
    samples = recorded_samples(problem, run)
    criterion = losses_of(run["loss_weights"].tolist(), points)
    pose = pose_from_matrix(recorded["pose_gt"])
    mask = recorded["mask"].double()
    gt = GroundTruth(pose, recorded["noc_target"].double(), mask)
    estimate = estimate_at(problem, run["pose_opt"])
    losses = (
        criterion.map_losses(maps, gt)
        | criterion.pose_losses(problem, gt, estimate, samples, maps.scale.mean())
        | criterion.regularization(problem, pose, estimate)
    )
    optimizer = torch.optim.RMSprop(network.parameters(), **RMSPROP)
    sum(losses.values()).backward()
    gradients = {key: value.grad.clone() for key, value in network.named_parameters()}
    optimizer.step()
    return Step(
        run,
        problem,
        pose,
        maps,
        samples,
        losses,
        criterion.pose.scale,
        gradients,
        CorrespondenceMaps(maps.noc.grad, maps.logit.grad, maps.scale.grad),
        network.state_dict(),
    )


def losses_of(weights: list[float], points) -> ObjectPoseLosses:
    coordinate, pose, position, orientation = weights
    return ObjectPoseLosses(
        pose=dict(type="MonteCarloPoseLoss", loss_weight=pose),
        coordinate=dict(loss_weight=coordinate, reduction="all"),
        position=position,
        orientation=orientation,
        pnp=dict(mc_samples=512, lm_iterations=5),
        points=points,
        regularize_from_gt=True,
    ).double()


def recorded_samples(problem: PnPProblem, run: dict[str, Any]) -> PoseSamples:
    """The recorded samples, weighed against the recorded proposals."""
    pose = run["pose_samples"]
    densities = []
    for mean, tril, turn in zip(
        run["proposal_mean"], run["proposal_tril"], run["proposal_acg_tril"]
    ):
        frame = torch.eye(4, dtype=pose.dtype).expand_as(turn)
        densities.append(
            StudentT(mean, tril).log_prob(pose[..., :3])
            + AngularCentralGaussian(frame, turn).log_prob(pose[..., 3:])
        )
    mixture = torch.stack(densities).logsumexp(0) - math.log(len(densities))
    valid = torch.ones(pose.shape[1], dtype=torch.bool)
    return PoseSamples(pose, -problem.cost(pose) - mixture, valid)


def test_problem(step: Step):
    for name in ("x3d", "x2d", "w2d"):
        if name in step.run:
            close(getattr(step.problem.points, name), step.run[name])
    close(step.problem.delta, step.run["delta"])
    close(step.problem.camera.clip_min, step.run["clip_min"])
    close(step.problem.camera.clip_max, step.run["clip_max"])
    assert step.problem.camera.z_min == float(step.run["z_min"])


def test_true_pose(step: Step):
    close_pose(step.gt_pose, step.run["pose_target"])
    close(step.problem.cost(step.run["pose_target"]), step.run["cost_target"])


def test_log_weights_of_the_recorded_samples(step: Step):
    close(step.samples.log_weights, step.run["log_weights"])


def test_losses(step: Step):
    names = ("Loss_rot", "Loss_mc", "Loss_t", "Loss_r")
    values = [step.run["losses"][name] for name in names]
    expected = dict(
        zip(
            ("loss_coordinate", "loss_pose", "loss_position", "loss_orientation"),
            torch.stack(values) * step.run["loss_weights"],
        )
    )
    for name, value in expected.items():
        close(step.losses[name], value)
    close(sum(step.losses.values()), step.run["losses"]["Loss"])


def test_running_scale(step: Step):
    close(step.scale_after, step.run["norm_factor"])


def test_gradients_of_the_maps(step: Step):
    got = step.gradients_of_maps
    close(got.scale, step.run["grad_scale"])
    close(got.noc.sum((2, 3)), step.run["grad_noc_sum"])
    close(got.logit.flatten(1).norm(dim=1), step.run["grad_logit_norm"])
    if "grad_noc" in step.run:
        close(got.noc, step.run["grad_noc"])
        close(got.logit, step.run["grad_logit"])


def test_gradients_of_the_parameters(step: Step):
    expected = {our_name(name): value for name, value in step.run["grad_parameters"].items()}
    assert expected.keys() == step.gradients.keys()
    for name, value in expected.items():
        close(step.gradients[name], value)
    norm = torch.stack([value.norm() for value in step.gradients.values()]).norm()
    close(norm, step.run["losses"]["Grad_norm"])


def test_weights_after_the_step(step: Step):
    for name, value in step.run["after"].items():
        close(step.after[our_name(name)], value)
