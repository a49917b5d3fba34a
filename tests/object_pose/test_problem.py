"""Laws of the points: where they lie, what they weigh, what a test changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from epropnp_det.object_pose.problem import (
    FIXED_SCALE,
    PointSettings,
    cell_pixels,
    draw_cells,
    problem_of_all_cells,
    problem_of_drawn_cells,
)
from epropnp_det.object_pose.structures import CorrespondenceMaps
from epropnp_det.pnp import EProPnP6DoF, PnPProblem, SE3Pose
from tests.tolerances import EXACT, EXACT_FLOAT32, MINIMUM_FLOAT32

from .small import CELLS, geometry, perfect_maps, poses

NUMBER = 5


def double(maps: CorrespondenceMaps) -> CorrespondenceMaps:
    return maps.map(torch.Tensor.double)


@pytest.mark.parametrize("rule", ["v1", "v2"])
def test_true_coordinates_project_to_the_cell_centres(rule: str):
    maps = perfect_maps(NUMBER)
    problem = problem_of_all_cells(maps, geometry(NUMBER), PointSettings(weight_rule=rule))
    pixel = problem.camera.each_point().project(
        SE3Pose.transform(poses(NUMBER), problem.points.x3d)
    )
    shown = (maps.noc != 0).any(1).flatten(1)
    error = (pixel - problem.points.x2d)[shown]
    assert error.abs().max() < 1e-2  # float32 at 300 px, amplified at the ellipsoid's limb


def test_poses_of_true_coordinates_are_found():
    generator = torch.Generator().manual_seed(0)
    problem = problem_of_all_cells(perfect_maps(NUMBER), geometry(NUMBER), PointSettings())
    estimate = EProPnP6DoF(mc_samples=4, lm_iterations=10).solve(problem, generator=generator)
    distance = SE3Pose.difference(poses(NUMBER), estimate.pose).abs()
    assert estimate.valid.all() and distance.max() < MINIMUM_FLOAT32


def test_released_points_lie_half_a_cell_up_and_left():
    maps = perfect_maps(NUMBER)
    centre = cell_pixels(maps, geometry(NUMBER), PointSettings())
    corner = cell_pixels(maps, geometry(NUMBER), PointSettings(cell_offset=0.0))
    half = (geometry(NUMBER).side / CELLS / 2)[:, None, None].expand_as(centre)
    torch.testing.assert_close(centre - corner, half)
    torch.testing.assert_close(centre.mean(1), geometry(NUMBER).origin + 40.0)


def test_weights_sum_to_the_scale():
    maps = perfect_maps(NUMBER)
    maps = replace(maps, logit=torch.randn(maps.logit.shape, generator=torch.manual_seed(1)))
    where = geometry(NUMBER)
    plain = PointSettings(match_train_weights=False)
    drawn = draw_cells(maps, 100, torch.Generator().manual_seed(0))
    for problem in (
        problem_of_all_cells(maps, where, plain),
        problem_of_drawn_cells(maps, where, plain, drawn),
    ):
        pixels = problem.points.w2d.sum(1) * where.cell(CELLS)[:, None]
        torch.testing.assert_close(pixels, maps.scale, rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32)


def test_without_the_denominator_equal_logits_weigh_as_with_it_and_others_do_not():
    maps = perfect_maps(NUMBER)
    equal = replace(maps, logit=torch.zeros_like(maps.logit))
    shifted = replace(maps, logit=torch.full_like(maps.logit, 1.0))
    where = geometry(NUMBER)

    def weight(maps: CorrespondenceMaps, rule: str) -> torch.Tensor:
        return problem_of_all_cells(maps, where, PointSettings(weight_rule=rule)).points.w2d

    close = dict(rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32)
    torch.testing.assert_close(weight(equal, "exponential"), weight(equal, "v2"), **close)
    torch.testing.assert_close(weight(shifted, "v2"), weight(equal, "v2"), **close)
    e = torch.e
    torch.testing.assert_close(weight(shifted, "exponential"), e * weight(equal, "v2"), **close)


def test_weights_of_a_fixed_scale_do_not_depend_on_the_learnt_one():
    maps = perfect_maps(NUMBER)
    maps = replace(maps, logit=torch.randn(maps.logit.shape, generator=torch.manual_seed(1)))
    where = geometry(NUMBER)
    fixed = PointSettings(weight_rule="fixed_scale")
    infinite = replace(maps, scale=torch.full_like(maps.scale, torch.inf))
    weight = problem_of_all_cells(infinite, where, fixed).points.w2d
    learnt = replace(maps, scale=torch.full_like(maps.scale, FIXED_SCALE))
    expected = problem_of_all_cells(learnt, where, PointSettings()).points.w2d
    torch.testing.assert_close(weight, expected, rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32)


def test_weights_of_a_mask_are_one_over_the_cell_where_it_shows_the_object():
    maps = perfect_maps(NUMBER)
    shown = (maps.noc != 0).any(1).flatten(1)
    maps = replace(maps, logit=maps.logit + 1)  # zero inside the mask is not positive
    settings = PointSettings(weight_rule="mask", match_train_weights=False)
    where = geometry(NUMBER)
    weight = problem_of_all_cells(maps, where, settings).points.w2d
    expected = (shown / where.cell(CELLS)[:, None])[..., None].expand_as(weight)
    torch.testing.assert_close(weight, expected)


def test_posterior_of_a_test_is_as_sharp_as_in_training():
    """Cells divided into draws of the training's size: the mean Hessian of the draws is the
    Hessian of the test, for equal weights and plain least squares.
    """
    maps = double(perfect_maps(NUMBER))
    maps = replace(maps, logit=torch.zeros_like(maps.logit))
    where = geometry(NUMBER).map(lambda x: x.double() if x.is_floating_point() else x)
    settings = PointSettings(train_points=CELLS * CELLS // 4)
    pose = poses(NUMBER).double()
    order = torch.randperm(CELLS * CELLS, generator=torch.Generator().manual_seed(0))
    hessians = []
    for part in order.reshape(4, -1):
        drawn = problem_of_drawn_cells(maps, where, settings, part.expand(NUMBER, -1))
        hessians.append(least_squares(drawn).linearize(pose).hessian)
    ours = problem_of_all_cells(maps, where, settings)
    expected = torch.stack(hessians).mean(0)
    got = least_squares(ours).linearize(pose).hessian
    torch.testing.assert_close(got, expected, rtol=EXACT, atol=EXACT * float(expected.abs().max()))
    released = problem_of_all_cells(maps, where, replace(settings, match_train_weights=False))
    flat = least_squares(released).linearize(pose).hessian
    torch.testing.assert_close(4 * flat, got, rtol=EXACT, atol=EXACT * float(got.abs().max()))


def least_squares(problem: PnPProblem) -> PnPProblem:
    return replace(problem, robust="none")


def test_cells_are_drawn_without_replacement_and_differ():
    maps = perfect_maps(NUMBER)
    drawn = draw_cells(maps, 128, torch.Generator().manual_seed(0))
    assert all(len(row.unique()) == 128 for row in drawn)
    assert len({tuple(row.sort().values.tolist()) for row in drawn}) == NUMBER
    again = draw_cells(maps, 128, torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    assert draw_cells(maps, 9999).shape == (NUMBER, CELLS * CELLS)


def test_training_clamps_thirty_cells_around_the_patch_and_a_test_nowhere():
    maps, where = perfect_maps(NUMBER), geometry(NUMBER)
    drawn = draw_cells(maps, 128, torch.Generator().manual_seed(0))
    trained = problem_of_drawn_cells(maps, where, PointSettings(), drawn).camera
    cell = where.cell(CELLS)[:, None]
    torch.testing.assert_close(trained.clip_min, where.origin - 29.5 * cell)
    torch.testing.assert_close(trained.clip_max, where.origin + where.side[:, None] + 29.5 * cell)
    tested = problem_of_all_cells(maps, where, PointSettings()).camera
    assert tested.clip_max.min() >= 1e6 and tested.z_min == trained.z_min == 0.01


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(weight_rule="v3"), "unknown weight_rule 'v3'"),
        (dict(train_points=3), "train_points must be >= 4, not 3"),
    ],
)
def test_wrong_settings_are_named(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        PointSettings(**settings)
