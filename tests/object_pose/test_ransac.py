"""RANSAC and EPnP: poses of coordinates and a mask."""

from __future__ import annotations

from dataclasses import replace

import torch

from epropnp_det.object_pose.problem import problem_of_all_cells
from epropnp_det.object_pose.structures import CorrespondenceMaps
from epropnp_det.pnp import SE3Pose
from tests.tolerances import MINIMUM_FLOAT32, RANSAC_POSE

from .small import batch, geometry, perfect_maps, poses, small_estimator

NUMBER = 4
CDPN = dict(
    points=dict(train_points=128, weight_rule="mask", match_train_weights=False),
    losses=dict(
        pose=None,
        coordinate=dict(loss_weight=1.0),
        mask=dict(loss_weight=0.5),
        position=0.0,
        orientation=0.0,
    ),
    test_cfg=dict(start="ransac_epnp", pnp=dict(lm_iterations=0, solver="gauss_newton")),
)


def masked_maps() -> CorrespondenceMaps:
    maps = perfect_maps(NUMBER)
    return replace(maps, logit=maps.logit + 1)


def test_a_third_of_wrong_coordinates_changes_little():
    model = small_estimator(**CDPN)
    maps = masked_maps()
    wrong = torch.rand(maps.noc[:, :1].shape, generator=torch.manual_seed(0)) < 1 / 3
    outliers = 2 * torch.rand(maps.noc.shape, generator=torch.manual_seed(1)) - 1
    spoilt = replace(maps, noc=torch.where(wrong, outliers, maps.noc))
    for each, tolerance in ((maps, MINIMUM_FLOAT32), (spoilt, RANSAC_POSE)):
        estimate = model.solve(problem_of_all_cells(each, geometry(NUMBER), model.points))
        apart = SE3Pose.difference(poses(NUMBER), estimate.pose).abs()
        assert estimate.valid.all() and apart.max() < tolerance


def test_an_empty_mask_is_flagged_and_its_neighbours_keep_their_pose():
    model = small_estimator(**CDPN)
    maps = masked_maps()
    logit = maps.logit.clone()
    logit[1] = -1
    problem = problem_of_all_cells(replace(maps, logit=logit), geometry(NUMBER), model.points)
    assert model.solve(problem).valid.tolist() == [True, False, True, True]


def test_coordinates_and_mask_alone_train_without_a_solver():
    model = small_estimator(**CDPN).train()
    losses = model(**batch())
    assert losses.keys() == {"loss_coordinate", "loss_mask", "w2d_scale"}
    (losses["loss_coordinate"] + losses["loss_mask"]).backward()
    assert model.head.output.weight.grad.any() and model.head.log_scale.weight.grad is None


def test_the_loss_of_a_mask_falls_to_zero_at_the_mask():
    loss = small_estimator(**CDPN).losses.mask
    mask = batch()["gt_mask"]
    logit = (2 * mask - 1).expand(-1, 2, -1, -1)
    values = [float(loss(factor * logit, mask)) for factor in (-1, 0, 1, 100)]
    assert values == sorted(values, reverse=True) and values[-1] < MINIMUM_FLOAT32
