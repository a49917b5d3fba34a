"""The candidates of the random start: which proposals they are, and that the lowest minimum is
found from them where there are several.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP6DoF,
    PnPProblem,
    RandomSampleInit,
    SE3Pose,
    YawPose,
)
from epropnp_det.pnp.random_start import distinct
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import LOWEST_COST, ZERO_COST

from . import scenes
from .scenes import SPACES, seeded, uniform

VIEW = Camera.for_image([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]], (640, 480)).to(torch.float64)


def few_point_problems(kind: str, number: int, seed: int) -> tuple[PnPProblem, Tensor]:
    """Plain least squares over four points of an object of one metre, 'planar' or 'spatial', at 2
    to 15 m with 0.1 to 3 px of noise, and the true poses (number, 7).
    """
    generator = seeded(seed)
    x3d = uniform((number, 4, 3), -0.5, 0.5, generator)
    if kind == "planar":
        x3d[..., 2] = 0
    depth = uniform((number,), math.log(2), math.log(15), generator).exp()
    across = depth[:, None] * uniform((number, 2), -0.25, 0.25, generator)
    turn = SE3Pose.random_rotation((number,), x3d, generator)[:, 3:]
    pose = torch.cat((across, depth[:, None], turn), dim=-1)
    noise = uniform((number,), math.log(0.1), math.log(3), generator).exp()
    x2d = VIEW.project(SE3Pose.transform(pose, x3d))
    x2d = x2d + noise[:, None, None] * torch.randn(
        x2d.shape, generator=generator, dtype=torch.float64
    )
    points = Correspondences(x3d, x2d, torch.ones_like(x2d))
    return PnPProblem.adaptive(points, VIEW, robust="none"), pose


def is_lowest(problem: PnPProblem, pose: Tensor, layer: EProPnP6DoF) -> Tensor:
    """Whether the layer's solution costs no more than the lowest of 128 minimisations of the whole
    problem, and of one from the true pose.
    """
    many = dict(proposals=128, points=4, iterations=60)
    search = EProPnP6DoF(init=many, lm_iterations=60)
    lowest = search.solve(problem, pose, seeded(1)).cost
    return layer.solve(problem, generator=seeded(2)).cost <= (1 + LOWEST_COST) * lowest + ZERO_COST


@pytest.mark.parametrize("kind", ["planar", "spatial"])
def test_default_finds_the_lowest_minimum_of_four_points(kind: str) -> None:
    problem, pose = few_point_problems(kind, 200, 3)
    assert is_lowest(problem, pose, EProPnP6DoF()).double().mean() >= 0.99


def test_one_candidate_often_ends_in_a_higher_minimum() -> None:
    problem, pose = few_point_problems("planar", 200, 3)
    one = EProPnP6DoF(init=dict(candidates=1))
    assert 0.8 < is_lowest(problem, pose, one).double().mean() < 0.97


def test_square_marker_ends_in_the_lower_of_its_two_minima() -> None:
    """A marker of 0.2 m at 2 m that is turned by 25 degrees: the mirrored pose is a minimum too."""
    half = 0.1
    corners = ((-half, half, 0), (-half, -half, 0), (half, -half, 0), (half, half, 0))
    x3d = torch.tensor(corners, dtype=torch.float64)
    angle = math.radians(25) / 2
    pose = torch.tensor([0.1, 0.1, 2, math.cos(angle), math.sin(angle), 0, 0]).double()
    noise = 0.3 * torch.randn(8, 4, 2, generator=seeded(4), dtype=torch.float64)
    x2d = VIEW.project(SE3Pose.transform(pose, x3d)) + noise
    problem = PnPProblem.adaptive(
        Correspondences(x3d.expand(8, 4, 3), x2d, torch.ones_like(x2d)), VIEW, robust="none"
    )
    assert is_lowest(problem, pose.expand(8, 7), EProPnP6DoF()).all()


# --- the choice ---


@SPACES
def test_candidates_are_the_lowest_that_are_apart(space: type[PoseSpace]) -> None:
    """A greedy choice in the order of cost, object by object."""
    problem, pose = scenes.problem((6,), space=space)
    pool = space.retract(pose, uniform((40, 6, space.tangent_dim), -1.0, 1.0, seeded(5)))
    separation = 0.4
    found = distinct(problem, pool, 3, separation)
    cost = problem.cost(pool)
    for index in range(6):
        picked: list[Tensor] = []
        for one in pool[cost[:, index].argsort(), index]:
            turns = [space.rotation(one).mT @ space.rotation(other) for other in picked]
            angles = [((turn.trace() - 1) / 2).clamp(-1, 1).acos() for turn in turns]
            if all(angle > separation for angle in angles):
                picked.append(one)
        assert torch.equal(found[:, index], torch.stack(picked[:3]))


def test_others_of_low_cost_fill_up_where_too_few_are_apart() -> None:
    problem, pose = scenes.problem((4,))
    pool = pose + uniform((10, 4, 4), -0.01, 0.01, seeded(5))
    order = problem.cost(pool).argsort(0)
    expected = pool.gather(0, order[:3, :, None].expand(3, 4, 4))
    assert torch.equal(distinct(problem, pool, 3, 1.0), expected)
    assert len(distinct(problem, pool, 20, 1.0)) == 10


def test_poses_without_a_cost_come_last() -> None:
    problem, pose = scenes.problem((4,))
    pool = torch.stack((torch.full_like(pose, torch.nan), pose + 2.0, pose))
    assert torch.equal(distinct(problem, pool, 2, 0.1), pool[[2, 1]])


@SPACES
def test_angle_is_that_of_the_rotation_between(space: type[PoseSpace]) -> None:
    first = space.random_rotation((20,), torch.zeros(1).double(), seeded(0))
    second = space.random_rotation((20,), torch.zeros(1).double(), seeded(1))
    turn = space.rotation(first).mT @ space.rotation(second)
    trace = turn.diagonal(dim1=-2, dim2=-1).sum(-1)
    cosine = (trace - 1) / 2
    torch.testing.assert_close(space.angle_cosine(first, second), cosine, rtol=0, atol=1e-12)


# --- settings ---


@pytest.mark.parametrize(
    "settings",
    [{"candidates": 0}, {"candidates": 1.5}, {"separation": -0.1}, {"separation": "wide"}],
)
def test_settings_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RandomSampleInit(**settings)


@SPACES
def test_number_of_candidates_follows_the_pose_space(space: type[PoseSpace]) -> None:
    problem, _ = scenes.problem((8,), noise=10.0, space=space)
    named = dict(candidates={YawPose: 1, SE3Pose: 4}[space])
    plain = scenes.layer(space).solve(problem, generator=seeded(0))
    same = scenes.layer(space, init=named).solve(problem, generator=seeded(0))
    assert torch.equal(plain.pose, same.pose)
