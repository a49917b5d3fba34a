"""Samples of 6DoF poses: the regions that are made of them hold as much as they say."""

from __future__ import annotations

import pytest
import torch

from epropnp_det.calibration.objects import CalibrationObjects
from epropnp_det.calibration.reliability import reliability
from epropnp_det.calibration.sampling import FARTHEST, RIGID_DRAWS, draw
from epropnp_det.calibration.temperature import Temperatures
from epropnp_det.pnp import EProPnP6DoF, PnPProblem, PoseEstimate, SE3Pose, levenberg_marquardt
from epropnp_det.posterior.credible_regions import binomial_error, coverage
from tests.pnp.scenes import problem, seeded
from tests.tolerances import SIGMAS

NUMBER = 150
KEPT = 256


def uncertain(number: int, weight: float) -> tuple[PnPProblem, PoseEstimate]:
    """Objects whose points hardly determine their poses, and their solutions."""
    given, pose = problem((number,), space=SE3Pose, weight=weight)
    return given, levenberg_marquardt(given, pose, 30)


def test_no_sample_is_far_behind_the_solution() -> None:
    given, estimate = uncertain(20, weight=0.05)
    layer = EProPnP6DoF(mc_samples=2048)
    distance = estimate.pose[:, :3].norm(dim=-1)
    plain = layer.sample(given, estimate, seeded(1))
    ended = draw(layer, given, estimate, seeded(1))
    beyond = plain.pose[..., :3].norm(dim=-1) > FARTHEST * distance
    assert (plain.weights * beyond).sum(0).max() > 0.5
    assert (ended.weights * beyond).sum() == 0 and ended.valid.all()


@pytest.mark.parametrize("weight", [0.5, 8.0])
def test_poses_of_the_distribution_lie_in_its_regions(weight: float) -> None:
    """A true pose that is drawn from the posterior lies in the region of probability p for a share
    p of the objects.
    """
    given, estimate = uncertain(NUMBER, weight)
    many = draw(EProPnP6DoF(mc_samples=16384, amis_rounds=8), given, estimate, seeded(2))
    picked = torch.multinomial(many.weights.T, 1, generator=seeded(3))[:, 0]
    everywhere = torch.ones(NUMBER, dtype=torch.bool)
    objects = CalibrationObjects(
        problem=given,
        pose=estimate.pose,
        truth=many.pose[picked, torch.arange(NUMBER)],
        label=torch.zeros(NUMBER, dtype=torch.long),
        image=torch.arange(NUMBER),
        symmetric=~everywhere,
        oriented=everywhere,
    )
    layer = EProPnP6DoF(mc_samples=RIGID_DRAWS * KEPT)
    found = reliability(objects, layer, Temperatures(), samples=KEPT)
    for quantity, levels in found.levels.items():
        for nominal in (0.5, 0.9):
            excess = coverage(levels, nominal) - nominal
            assert abs(excess) < SIGMAS * binomial_error(nominal, NUMBER), quantity
