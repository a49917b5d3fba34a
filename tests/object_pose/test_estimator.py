"""The whole small model: losses by config, gradients, reproducible tests, bad objects."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from epropnp_det.object_pose.problem import problem_of_all_cells
from epropnp_det.object_pose.structures import GroundTruth
from epropnp_det.pnp import SE3Pose, laplace_pose_loss
from tests.tolerances import EXACT, EXACT_FLOAT32, LEARNT_DEGREES, LEARNT_METRES, MINIMUM_FLOAT32

from .small import CELLS, PATCH, batch, geometry, perfect_maps, poses, small_config, small_estimator

LOSSES = dict(small_config().losses)
SAMPLING_FREE = ("LaplacePoseLoss", "ImplicitPoseLoss", "ReprojectionLoss")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def total(losses: dict[str, torch.Tensor]) -> torch.Tensor:
    return sum(value for name, value in losses.items() if "loss" in name)


@pytest.mark.parametrize("kind", ["MonteCarloPoseLoss", *SAMPLING_FREE])
def test_every_pose_loss_trains_every_parameter(kind: str):
    losses = LOSSES | dict(pose=dict(type=kind, loss_weight=0.2))
    model = small_estimator(losses=losses).train()
    # The initial coordinates are near zero: a problem without a solution. Start from some shape.
    torch.nn.init.normal_(model.head.output.weight, std=0.3)
    found = model(**batch(), generator=seeded(0))
    assert {"loss_coordinate", "loss_pose", "loss_position", "loss_orientation"} <= found.keys()
    total(found).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad.any() for p in (*model.head.parameters(), *model.neck.parameters()))


def test_training_without_coordinate_maps():
    model = small_estimator(losses=LOSSES | dict(coordinate=None)).train()
    data = batch()
    del data["gt_noc"], data["gt_mask"]
    found = model(**data, generator=seeded(0))
    assert "loss_coordinate" not in found and total(found).isfinite()


def test_train_step_reports_sum_and_number():
    model = small_estimator().train()
    out = model.train_step(batch(3), optimizer=None, generator=seeded(0))
    parts = [value for name, value in out["log_vars"].items() if name.startswith("loss_")]
    assert out["num_samples"] == 3
    valid = 1 - out["log_vars"]["invalid_objects"] / 3
    assert out["log_vars"]["valid_objects"] == pytest.approx(valid)
    assert 1 <= out["log_vars"]["effective_sample_size"] <= 64
    assert out["log_vars"]["w2d_scale"] > 0
    assert out["loss"].item() == pytest.approx(sum(parts), rel=1e-5)


def test_laplace_loss_is_the_layers_over_the_running_scale():
    losses = LOSSES | dict(pose=dict(type="LaplacePoseLoss", loss_weight=0.5))
    criterion = small_estimator(losses=losses).losses.train()
    problem = problem_of_all_cells(perfect_maps(3), geometry(3), criterion.points)
    estimate = criterion.layer.solve(problem, poses(3), seeded(0))
    got = criterion.pose_losses(problem, GroundTruth(poses(3)), estimate, None, torch.tensor(20.0))
    expected = laplace_pose_loss(problem, estimate, problem.cost(poses(3))).mean()
    # The running scale moved by a hundredth from 1 towards 20.
    torch.testing.assert_close(got["loss_pose"], 0.5 * expected / 1.19)


def test_broken_object_is_counted_and_its_neighbours_keep_their_loss():
    criterion = small_estimator(losses=LOSSES | dict(pose=None)).losses.train()
    maps = perfect_maps(3)
    noc = maps.noc.clone()
    noc[1] = torch.nan
    healthy = problem_of_all_cells(maps, geometry(3), criterion.points)
    broken = problem_of_all_cells(replace(maps, noc=noc), geometry(3), criterion.points)
    estimate = criterion.layer.solve(healthy, poses(3), seeded(0))
    spoilt = criterion.layer.solve(broken, poses(3), seeded(0))
    assert estimate.valid.tolist() == [True] * 3 and spoilt.valid.tolist() == [True, False, True]
    target = poses(3) + torch.tensor((0.01, 0.0, 0.02, 0.0, 0.0, 0.0, 0.0))
    alone = [
        criterion.regularization(healthy[i : i + 1], target[i : i + 1], estimate[i : i + 1])
        for i in (0, 2)
    ]
    together = criterion.regularization(broken, target, spoilt)
    for name, value in together.items():
        expected = sum(losses[name] for losses in alone) / 3
        torch.testing.assert_close(value, expected, rtol=EXACT_FLOAT32, atol=1e-8)


def test_same_seed_same_bytes_other_seed_other_samples():
    model = small_estimator().eval()
    first, same, other = (
        model.estimate(batch()["img"], geometry(4), [seeded(seed) for _ in range(4)], 64)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first.sample_pose, same.sample_pose)
    assert not torch.equal(first.sample_pose, other.sample_pose)


def test_pose_of_a_patch_does_not_depend_on_its_batch():
    model = small_estimator().eval()
    torch.nn.init.normal_(model.head.output.weight, std=0.3)
    patches = {key: value for key, value in batch().items() if not key.startswith("gt_")}
    together = model(**patches, return_loss=False)
    for index, result in enumerate(together):
        alone = {key: value[index : index + 1] for key, value in patches.items()}
        (expected,) = model(**alone, return_loss=False, generators=[seeded(0)])
        apart = SE3Pose.difference(expected["object_pose"].pose, result["object_pose"].pose)
        assert apart.abs().max() < MINIMUM_FLOAT32


def test_covariance_is_that_of_metres_and_a_rotation_vector():
    """Small motions along each axis, in both descriptions."""
    where = geometry(2).map(lambda x: x.double() if x.is_floating_point() else x)
    maps = perfect_maps(2).map(torch.Tensor.double)
    problem = problem_of_all_cells(maps, where, small_estimator().points)
    estimate = small_estimator().layer.solve(problem, poses(2).double(), seeded(0))
    covariance = estimate.covariance_of("rotation_vector")
    angle = 1e-6
    tangent = torch.zeros(6).double()
    tangent[4] = -angle / 2
    moved = SE3Pose.retract(estimate.pose, tangent.expand(2, 6))
    turn = SE3Pose.rotation(moved) @ SE3Pose.rotation(estimate.pose).mT
    expected = torch.tensor(((1, 0, angle), (0, 1, 0), (-angle, 0, 1))).double().expand(2, 3, 3)
    torch.testing.assert_close(turn, expected, rtol=0, atol=10 * angle**2)
    factor = torch.ones(6, 6).double()
    factor[3:] *= -2
    factor[:, 3:] *= -2
    torch.testing.assert_close(covariance, estimate.covariance * factor, rtol=EXACT, atol=0)


def test_epnp_start_and_random_start_end_in_the_same_pose():
    settings = dict(start="epnp", pnp=dict(lm_iterations=10))
    problem = problem_of_all_cells(perfect_maps(3), geometry(3), small_estimator().points)
    first = small_estimator(test_cfg=settings).solve(problem)
    second = small_estimator(test_cfg=settings | dict(start="random")).solve(problem, seeded(0))
    apart = SE3Pose.difference(first.pose, second.pose).abs()
    assert first.valid.all() and apart.max() < MINIMUM_FLOAT32


def test_points_without_a_pose_are_flagged_by_the_released_solver():
    settings = dict(start="epnp", pnp=dict(lm_iterations=3, solver="gauss_newton"))
    maps = perfect_maps(2)
    noc = maps.noc.clone()
    noc[0] = torch.nan
    model = small_estimator(test_cfg=settings)
    estimate = model.solve(problem_of_all_cells(replace(maps, noc=noc), geometry(2), model.points))
    assert estimate.valid.tolist() == [False, True]


def test_unknown_start_is_named():
    with pytest.raises(ValueError, match="unknown start 'truth'"):
        small_estimator(test_cfg=dict(start="truth", pnp=dict()))


def test_small_network_learns_the_poses_of_a_batch():
    """Pictures that show the coordinates themselves; from 126 degrees, the mean of random poses."""
    model = small_estimator().train()
    data = batch(8)
    data["img"] = torch.nn.functional.interpolate(data["gt_noc"], scale_factor=PATCH // CELLS)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    generator = seeded(0)
    for _ in range(120):
        optimizer.zero_grad()
        model.train_step(data, optimizer, generator)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
    poses = model.eval().estimate(data["img"], geometry(8), [seeded(0) for _ in range(8)])
    turn = SE3Pose.rotation(poses.pose) @ SE3Pose.rotation(data["gt_pose"]).mT
    cosine = (turn.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    assert torch.rad2deg(cosine.clamp(-1, 1).acos()).median() < LEARNT_DEGREES
    distance = (poses.pose - data["gt_pose"])[:, :3].norm(dim=1)
    assert poses.valid.all() and distance.median() < LEARNT_METRES


def test_unknown_pose_loss_is_named():
    with pytest.raises(ValueError, match="unknown pose loss 'KL'; use one of MonteCarloPoseLoss"):
        small_estimator(losses=LOSSES | dict(pose=dict(type="KL")))
