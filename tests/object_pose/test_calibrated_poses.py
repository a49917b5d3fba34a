"""A calibration of object poses changes their posteriors alone."""

from __future__ import annotations

import math

import numpy as np
import torch

from epropnp_det.calibration.stored import KEY, Calibration
from epropnp_det.calibration.temperature import Temperatures
from epropnp_det.object_pose.problem import problem_of_all_cells
from epropnp_det.object_pose.structures import ObjectPoses
from epropnp_det.posterior.quantities import RIGID_POSE

from .small import geometry, perfect_maps, small_estimator


def posteriors(calibration: Calibration | None) -> ObjectPoses:
    model = small_estimator().eval()
    model.read_calibration({} if calibration is None else {KEY: calibration.to_plain()})
    problem = problem_of_all_cells(perfect_maps(2), geometry(2), model.points)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    return model.posteriors(problem, generators, 64, torch.arange(2))


def test_temperatures_belong_to_the_objects() -> None:
    levels = dict.fromkeys(RIGID_POSE, np.linspace(0, 1, 200))
    plain = posteriors(None)
    same = posteriors(Calibration(Temperatures(), levels))
    found = posteriors(Calibration(Temperatures(by_class=(0.0, math.log(4.0))), levels))
    assert torch.equal(same.covariance, plain.covariance)
    assert torch.equal(same.sample_pose, plain.sample_pose)
    assert torch.equal(found.pose, plain.pose) and torch.equal(found.cost, plain.cost)
    torch.testing.assert_close(found.temperature, torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(found.covariance[0], plain.covariance[0])
    ratio = found.covariance[1].diagonal() / plain.covariance[1].diagonal()
    torch.testing.assert_close(ratio, torch.full((6,), 4.0), rtol=0.05, atol=0)
    for quantity in RIGID_POSE:
        assert all(region is not None for region in found.region(0.9, quantity))
