"""All minima of a problem, and the posterior around each."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, EProPnP6DoF, PnPProblem, SE3Pose
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import LOWEST_COST, SIGMAS, ZERO_COST

from . import scenes
from .scenes import SPACES, seeded
from .test_candidates import few_point_problems

VIEW = Camera.for_image([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]], (640, 480)).to(torch.float64)


def ambiguous_square(depth: float, weight: float = 1.0) -> PnPProblem:
    """A square of 0.2 m whose image is a rectangle: tilted towards the camera or away from it, the
    same cost, because the problem is its own mirror image.
    """
    half = 0.1
    corners = ((-half, half, 0), (-half, -half, 0), (half, -half, 0), (half, half, 0))
    x3d = torch.tensor(corners, dtype=torch.float64)
    size = torch.tensor((1.0, 0.9), dtype=torch.float64) * 800 / depth
    x2d = torch.tensor((320.0, 240.0), dtype=torch.float64) + x3d[:, :2] * size
    points = Correspondences(x3d, x2d, torch.full_like(x2d, weight))
    return PnPProblem.adaptive(points, VIEW, robust="none")


@pytest.mark.parametrize("depth", [1.0, 4.0])
@pytest.mark.parametrize("weight", [1.0, 10.0])
def test_mirrored_poses_of_a_square_have_half_the_posterior_each(
    depth: float, weight: float
) -> None:
    layer = EProPnP6DoF(mc_samples=2048)
    modes = layer.modes(ambiguous_square(depth, weight), generator=seeded(0))
    assert modes.valid.tolist() == [True, True, False, False]
    torch.testing.assert_close(modes.cost[0], modes.cost[1], rtol=LOWEST_COST, atol=ZERO_COST)
    tilt = math.acos(float(SE3Pose.angle_cosine(modes.pose[0], modes.pose[1])))
    assert 0.5 < tilt < 1.2
    # A share from two estimates of n effective samples each, of at least a quarter of the drawn.
    error = 0.5 * (0.5 / (2048 / 4)) ** 0.5
    assert abs(float(modes.weight[0]) - 0.5) < SIGMAS * error


@SPACES
def test_one_minimum_has_the_whole_posterior(space: type[PoseSpace]) -> None:
    problem, pose = scenes.problem((5,), noise=1.0, space=space)
    layer = scenes.layer(space)
    modes = layer.modes(problem, generator=seeded(0), number=2)
    best = layer.solve(problem, pose, seeded(1))
    torch.testing.assert_close(modes.cost[0], best.cost, rtol=LOWEST_COST, atol=ZERO_COST)
    assert modes.valid[0].all() and (modes.weight[0] > 0.99).all()


@pytest.mark.parametrize("kind", ["planar", "spatial"])
def test_modes_are_distinct_minima_in_the_order_of_cost(kind: str) -> None:
    problem, _ = few_point_problems(kind, 60, 7)
    layer = EProPnP6DoF(mc_samples=64)
    modes = layer.modes(problem, generator=seeded(0))
    best = layer.solve(problem, generator=seeded(1))
    assert modes.pose.shape == (4, 60, 7) and modes.valid[0].all()
    assert (modes.cost[0] <= (1 + LOWEST_COST) * best.cost + ZERO_COST).all()
    assert (modes.cost.diff(dim=0)[modes.valid[1:]] >= 0).all()
    again = EProPnP6DoF(init=None, lm_iterations=100)
    for mode in range(2):
        rest = again.solve(problem, modes.pose[mode]).cost
        gained = modes.cost[mode] - rest > LOWEST_COST * rest + ZERO_COST
        assert not (gained & modes.valid[mode]).any()
    torch.testing.assert_close(modes.weight.sum(0), torch.ones(60, dtype=torch.float64))
    assert (modes.weight[~modes.valid] == 0).all()


@SPACES
def test_modes_of_any_batch(space: type[PoseSpace]) -> None:
    layer = scenes.layer(space, mc_samples=16)
    for shape in ((), (0,), (2, 3)):
        problem, _ = scenes.problem(shape, space=space)
        modes = layer.modes(problem, number=3, generator=seeded(0))
        assert modes.pose.shape == (3, *shape, space.dim)
        assert modes.weight.shape == modes.valid.shape == modes.cost.shape == (3, *shape)
        assert modes.covariance_of("rotation_vector").shape == (3, *shape, 6, 6)


def test_objects_without_a_solution_have_no_mode() -> None:
    problem, _ = scenes.problem((3,), space=SE3Pose)
    weight = problem.points.w2d * torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    points = Correspondences(problem.points.x3d, problem.points.x2d, weight)
    layer = EProPnP6DoF(mc_samples=64)
    modes = layer.modes(PnPProblem.adaptive(points, problem.camera), generator=seeded(0))
    assert modes.valid[0].tolist() == [True, False, True]
    assert (modes.weight[:, 1] == 0).all() and modes.weight.isfinite().all()


def test_samples_are_further_starts() -> None:
    problem = ambiguous_square(2.0)
    layer = EProPnP6DoF(mc_samples=512, init=dict(proposals=1, candidates=1))
    samples = EProPnP6DoF(mc_samples=512).sample(problem, generator=seeded(2))
    alone = layer.modes(problem, generator=seeded(0))
    assert alone.pose.shape[0] == 1
    helped = layer.modes(problem, samples, generator=seeded(0))
    assert helped.valid[:2].all()


def test_autocast_changes_no_digit() -> None:
    problem = ambiguous_square(4.0).to(torch.float32)
    layer = EProPnP6DoF(mc_samples=64)
    outside = layer.modes(problem, generator=seeded(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer.modes(problem, generator=seeded(0))
    assert torch.equal(inside.pose, outside.pose) and torch.equal(inside.weight, outside.weight)


def test_a_number_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="number must be at least 1"):
        EProPnP6DoF().modes(ambiguous_square(2.0), number=0)


def test_modes_do_not_depend_on_the_backend(chosen_backend: None) -> None:
    """The same minima from other random numbers."""

    def costs(seed: int) -> Tensor:
        problem, _ = few_point_problems("planar", 20, 8)
        return EProPnP6DoF(mc_samples=16).modes(problem, generator=seeded(seed)).cost[0]

    torch.testing.assert_close(costs(0), costs(1), rtol=LOWEST_COST, atol=ZERO_COST)
