"""Volumes of highest density regions against those of normal distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from epropnp_det.posterior.ranking import (
    Region,
    ranked_orientation,
    ranked_pose,
    ranked_position,
    ranked_yaw,
)
from tests.tolerances import POSE_VOLUME, REGION_VOLUME

RUNS = 10
SAMPLES = 512
EQUAL = np.ones(SAMPLES)


def ellipsoid(dims: int, probability: float) -> float:
    """Volume of the region of a standard normal distribution."""
    ball = math.pi ** (dims / 2) / math.gamma(dims / 2 + 1)
    return ball * chi2(dims).ppf(probability) ** (dims / 2)


def mean_volume(regions: list[Region]) -> float:
    return float(np.mean([each.volume for each in regions]))


@pytest.mark.parametrize("probability", [0.5, 0.9])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_positions(dims: int, probability: float) -> None:
    rng = np.random.default_rng(dims)
    scale = np.array([0.1, 3.0, 0.5])[:dims]
    found = [
        ranked_position(rng.normal(size=(SAMPLES, dims)) * scale, EQUAL).region(probability)
        for _ in range(RUNS)
    ]
    expected = ellipsoid(dims, probability) * scale.prod()
    assert abs(mean_volume(found) / expected - 1) < REGION_VOLUME


def test_weights_make_the_distribution() -> None:
    """Samples of a wide normal distribution, weighted to a narrow one."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RUNS):
        yaw = rng.normal(size=SAMPLES) * 0.2
        weight = norm.pdf(yaw, scale=0.1) / norm.pdf(yaw, scale=0.2)
        found.append(ranked_yaw(yaw, weight).region(0.9))
    expected = 2 * 0.1 * norm.ppf(0.95)
    assert abs(mean_volume(found) / expected - 1) < REGION_VOLUME


def test_poses() -> None:
    rng = np.random.default_rng(0)
    scale = np.array([1.0, 0.1, 3.0, 0.05])
    found = [
        ranked_pose(rng.normal(size=(SAMPLES, 4)) * scale, EQUAL).region(0.9) for _ in range(RUNS)
    ]
    assert abs(mean_volume(found) / (ellipsoid(4, 0.9) * scale.prod()) - 1) < POSE_VOLUME


def test_a_region_contains_its_samples_and_not_the_others() -> None:
    yaw = np.random.default_rng(0).normal(size=SAMPLES) * 0.3
    region = ranked_yaw(yaw, EQUAL).region(0.68)
    assert abs(region.inside.mean() - 0.68) < 2 / SAMPLES
    assert region.contains(np.array([0.0, 2 * math.pi])).all()
    assert not region.contains(np.array([math.pi])).any()


def test_level_one_is_every_value() -> None:
    rng = np.random.default_rng(0)
    assert ranked_yaw(rng.normal(size=SAMPLES), EQUAL).region(1.0).volume == 2 * math.pi
    quaternion = rng.normal(size=(SAMPLES, 4))
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    whole = ranked_orientation(quaternion, EQUAL)
    assert whole.region(1.0).volume == 8 * math.pi**2
    # All samples of uniform orientations fill the space of orientations.
    assert abs(whole.region(0.9999).volume / (8 * math.pi**2) - 1) < REGION_VOLUME
    assert ranked_position(rng.normal(size=(SAMPLES, 2)), EQUAL).region(1.0).volume == math.inf
