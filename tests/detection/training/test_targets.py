"""Laws of assignment, query draw and volume centre."""

from __future__ import annotations

import torch

from epropnp_det.detection.boxes import corners
from epropnp_det.detection.training.targets import (
    Assignment,
    AssignmentSettings,
    assign,
    sample_queries,
    volume_center,
)

from ..small import CAMERA, scene


def dense_grid():
    strides, sizes = (8, 16, 32, 64, 128), ((16, 28), (8, 14), (4, 7), (2, 4), (1, 2))
    parts = [
        (torch.cartesian_prod(torch.arange(w), torch.arange(h)) * s + s // 2, s, i, w * h)
        for i, (s, (h, w)) in enumerate(zip(strides, sizes))
    ]
    grid = torch.cat([p[0] for p in parts]).float()
    return (
        grid,
        torch.cat([torch.full((p[3],), float(p[1])) for p in parts]),
        torch.cat([torch.full((p[3],), p[2]) for p in parts]),
    )


def test_a_point_stands_for_the_nearest_fitting_centre():
    truth, settings = scene(6), AssignmentSettings()
    grid, stride, level = dense_grid()
    assignment = assign(grid, stride, level, truth, settings)
    assert (assignment.gt_index >= 0).any()
    for point in range(len(grid)):
        best, distance = -1, float("inf")
        for box in range(len(truth)):
            left, top, right, bottom = truth.box2d[box]
            x, y = grid[point]
            side = max(x - left, y - top, right - x, bottom - y)
            low, high = settings.ranges[level[point]]
            near = (grid[point] - truth.center2d[box]).abs().max() < settings.radius * stride[point]
            d = (grid[point] - truth.center2d[box]).norm()
            if near and low <= side <= high and d < distance:
                best, distance = box, d
        assert assignment.gt_index[point] == best


def test_without_boxes_everything_is_background():
    grid, stride, level = dense_grid()
    assignment = assign(grid, stride, level, scene(0), AssignmentSettings())
    assert (assignment.gt_index == -1).all() and (assignment.centerness == 0).all()


def test_draw_makes_every_box_count_alike():
    truth = torch.tensor([0] * 20 + [1] * 3 + [-1] * 50 + [2])
    centerness = torch.rand(74, generator=torch.Generator().manual_seed(0)) * (truth >= 0)
    draw = sample_queries(Assignment(truth, centerness), 96, torch.Generator().manual_seed(1))
    drawn = truth[draw.point]
    assert (drawn >= 0).all() and len(drawn) == 96
    for weight in (draw.weight, draw.uniform_weight):
        sums = torch.zeros(3).index_add(0, drawn, weight)
        torch.testing.assert_close(sums, torch.full((3,), 32.0))


def test_first_half_of_the_draw_has_no_repetitions():
    assignment = Assignment(torch.arange(100), torch.ones(100))
    draw = sample_queries(assignment, 96, torch.Generator().manual_seed(1))
    assert len(draw.point[:48].unique()) == 48


def test_nothing_is_drawn_from_background():
    draw = sample_queries(Assignment(torch.full((10,), -1), torch.zeros(10)), 96)
    assert len(draw.point) == len(draw.weight) == 0


def test_volume_centre_against_a_ray_by_ray_loop():
    """Depth of box along a ray by brute force: march along it and count the points inside."""
    truth = scene(1, seed=5)
    truth.pose[0, :3] = torch.tensor([0.5, 0.6, 9.0])
    step = 16
    depths = torch.linspace(4, 14, 4001)
    rotation = torch.tensor(
        [
            [truth.pose[0, 3].cos(), 0, truth.pose[0, 3].sin()],
            [0, 1, 0],
            [-truth.pose[0, 3].sin(), 0, truth.pose[0, 3].cos()],
        ]
    )
    total, moment = 0.0, torch.zeros(2)
    for v in torch.arange(step / 2, 128, step):
        for u in torch.arange(step / 2, 224, step):
            ray = torch.linalg.solve(CAMERA.matrix, torch.tensor([u, v, 1.0]))
            local = (ray * depths[:, None] - truth.pose[0, :3]) @ rotation
            weight = ((local.abs() <= truth.size[0] / 2).all(1)).float().mean() * 10
            total, moment = total + weight, moment + weight * torch.stack((u, v))
    centre = volume_center(truth.pose, truth.size, CAMERA, (224, 128), step)[0]
    torch.testing.assert_close(
        centre, moment / total, atol=0.2, rtol=0
    )  # the march has steps of 2.5 mm in a box of 4 m


def test_volume_centre_moves_with_the_mirrored_image():
    truth = scene(4)
    mirrored = truth.pose * torch.tensor([-1.0, 1, 1, -1]) + torch.tensor([0, 0, 0, torch.pi])
    there, here = (
        volume_center(mirrored, truth.size, CAMERA.flip(224), (224, 128)),
        volume_center(truth.pose, truth.size, CAMERA, (224, 128)),
    )
    torch.testing.assert_close(
        there, here * torch.tensor([-1.0, 1]) + torch.tensor([224.0, 0]), atol=1e-2, rtol=0
    )  # float32 rays


def test_volume_centre_lies_in_the_projected_box_and_the_image():
    truth = scene(8, seed=2)
    pixels = CAMERA.each_point()[None].project(corners(truth.pose, truth.size))
    centre = volume_center(truth.pose, truth.size, CAMERA, (224, 128))
    assert ((centre >= pixels.amin(1)) & (centre <= pixels.amax(1))).all()
    assert ((centre >= 0) & (centre <= torch.tensor([224.0, 128.0]))).all()


def test_volume_outside_the_image_has_no_centre():
    pose = torch.tensor([[100.0, 0.0, 10.0, 0.0]])
    assert volume_center(pose, torch.ones(1, 3), CAMERA, (224, 128)).isnan().all()
