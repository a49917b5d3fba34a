"""Highest density regions are calibrated: values drawn like the samples lie in them at the nominal
rate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from scipy.special import i0e

from epropnp_det.posterior.credible_regions import (
    NOMINAL,
    binomial_error,
    coverage,
    orientation_hpd_level,
    pose_hpd_level,
    position_hpd_level,
)
from epropnp_det.posterior.density import (
    effective_sample_size,
    radius_containing_mass,
    resample,
    wrapped,
    yaw_density,
    yaw_distances,
)
from epropnp_det.posterior.ranking import ranked_yaw
from tests.tolerances import DENSITY, EXACT, SIGMAS

OBJECTS, SAMPLES = 400, 128
QuerySample = Callable[[np.random.Generator, int], np.ndarray]


def yaw_hpd_level(yaw: np.ndarray, weight: np.ndarray, truth: float) -> float:
    """Level of a true yaw [rad] in weighted samples (S,) of it."""
    return float(ranked_yaw(yaw, weight).levels(np.array([truth]))[0])


def turned_round(rng: np.random.Generator, count: int) -> np.ndarray:
    """Two narrow peaks, opposite to each other, one twice as likely; across the jump from pi to
    -pi.
    """
    return wrapped(rng.vonmises(np.pi, 60.0, count) + np.pi * (rng.random(count) < 1 / 3))


YAWS: dict[str, QuerySample] = {
    "one peak": lambda rng, count: rng.vonmises(3.0, 20.0, count),
    "needle": lambda rng, count: rng.vonmises(-1.0, 1e5, count),
    "turned round": turned_round,
    "no idea": lambda rng, count: rng.uniform(-np.pi, np.pi, count),
}
SHEAR = np.array([[0.1, 0.0], [0.9, 3.0]])  # a ray: sure across, unsure along
POSITIONS: dict[str, QuerySample] = {
    "along a ray": lambda rng, count: rng.normal(size=(count, 2)) @ SHEAR.T + (3.0, 25.0),
    "heavy tails": lambda rng, count: rng.standard_t(3, (count, 2)) @ SHEAR.T,
    "two places": lambda rng, count: (
        rng.normal(size=(count, 2)) + 20.0 * (rng.random((count, 1)) < 0.4)
    ),
    "depth alone": lambda rng, count: rng.gamma(4.0, 2.0, (count, 1)),
}


def assert_calibrated(levels: np.ndarray) -> None:
    for nominal in NOMINAL:
        # One sample more or less decides about a level; the rest is chance.
        tolerance = SIGMAS * binomial_error(nominal, len(levels)) + 1 / SAMPLES
        assert abs(coverage(levels, nominal) - nominal) < tolerance, nominal


def poses(rng: np.random.Generator, count: int) -> np.ndarray:
    """Positions along a ray; orientations around two that are opposite about z, with random signs
    of the quaternions.
    """
    turn = Rotation.from_rotvec(rng.normal(size=(count, 3)) * (0.3, 0.05, 0.05))
    opposite = np.pi * (rng.random((count, 1)) < 0.3) * (0.0, 0.0, 1.0)
    quaternion = (turn * Rotation.from_rotvec(opposite)).as_quat(scalar_first=True)
    place = rng.normal(size=(count, 3)) * (0.01, 0.01, 0.1)
    return np.concatenate([place, quaternion * rng.choice((-1, 1), (count, 1))], axis=1)


def hpd_levels(level: Callable, draw: QuerySample, truth: QuerySample, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array(
        [level(draw(rng, SAMPLES), np.ones(SAMPLES), truth(rng, 1)[0]) for _ in range(OBJECTS)]
    )


@pytest.mark.parametrize("draw", YAWS.values(), ids=YAWS)
def test_true_yaws_lie_in_the_regions_as_often_as_promised(draw: QuerySample) -> None:
    assert_calibrated(hpd_levels(yaw_hpd_level, draw, draw))


@pytest.mark.parametrize("draw", POSITIONS.values(), ids=POSITIONS)
def test_true_positions_lie_in_the_regions_as_often_as_promised(draw: QuerySample) -> None:
    assert_calibrated(hpd_levels(position_hpd_level, draw, draw))


def test_true_poses_lie_in_the_regions_as_often_as_promised() -> None:
    assert_calibrated(hpd_levels(pose_hpd_level, poses, poses))


def test_true_orientations_lie_in_the_regions_as_often_as_promised() -> None:
    def draw(rng: np.random.Generator, count: int) -> np.ndarray:
        return poses(rng, count)[:, 3:]

    assert_calibrated(hpd_levels(orientation_hpd_level, draw, draw))


def test_weights_count_as_samples_do() -> None:
    """Samples of a wide proposal, weighted to a narrow target as importance sampling does."""
    rng, levels = np.random.default_rng(1), []
    for _ in range(OBJECTS):
        proposed = rng.normal(0.0, 2.0, (2 * SAMPLES, 1))
        weight = np.exp(-0.5 * np.square(proposed[:, 0]) * (1 - 1 / 4))
        assert effective_sample_size(weight) > SAMPLES / 2
        levels.append(position_hpd_level(proposed, weight, rng.normal(size=1)))
    assert_calibrated(np.array(levels))


@pytest.mark.parametrize("factor, sign", [(0.5, -1), (2.0, 1)], ids=["too sure", "too modest"])
def test_wrong_confidence_shows(factor: float, sign: int) -> None:
    levels = hpd_levels(
        position_hpd_level,
        lambda rng, count: factor * rng.normal(size=(count, 2)),
        lambda rng, count: rng.normal(size=(count, 2)),
    )
    for nominal in NOMINAL[:3]:
        assert sign * (coverage(levels, nominal) - nominal) > SIGMAS * binomial_error(
            nominal, OBJECTS
        )


def test_region_of_a_heading_that_may_be_turned_round_has_two_parts() -> None:
    yaw, weight = turned_round(np.random.default_rng(2), 512), np.ones(512)
    assert yaw_hpd_level(yaw, weight, np.pi) < 0.5  # the higher peak
    assert yaw_hpd_level(yaw, weight, 0.0) < 0.9  # the lower one
    assert (
        yaw_hpd_level(yaw, weight, np.pi / 2) == yaw_hpd_level(yaw, weight, -np.pi / 2) == 1.0
    )  # between them, where their mean would be


def test_levels_do_not_depend_on_turns_units_or_axes() -> None:
    rng = np.random.default_rng(3)
    yaw, position, weight = turned_round(rng, 100), rng.normal(size=(100, 2)), rng.random(100)
    assert yaw_hpd_level(yaw, weight, 0.2) == pytest.approx(
        yaw_hpd_level(wrapped(yaw + 2.0), 3 * weight, 2.2 - 4 * np.pi), abs=EXACT
    )
    truth = np.array([0.5, -0.3])
    other = position_hpd_level(position @ SHEAR.T + 7.0, weight, SHEAR @ truth + 7.0)
    assert position_hpd_level(position, weight, truth) == pytest.approx(other, abs=EXACT)


def test_radius_holds_the_share_and_not_more() -> None:
    distance, weight = np.random.default_rng(4).random((5, 50)), np.random.default_rng(5).random(50)
    for row, radius in zip(distance, radius_containing_mass(distance, weight, 0.3)):
        assert (
            weight[row < radius].sum() < 0.3 * weight.sum() <= weight[row <= radius].sum() + EXACT
        )


@pytest.mark.parametrize("draw", YAWS.values(), ids=YAWS)
def test_density_of_yaw_integrates_to_one(draw: QuerySample) -> None:
    grid = np.linspace(-np.pi, np.pi, 20001)[:-1]
    density = yaw_density(draw(np.random.default_rng(6), 256), np.ones(256), grid)
    assert density.min() >= 0 and density.mean() * 2 * np.pi == pytest.approx(1, abs=1e-6)


def test_density_of_yaw_comes_near_the_true_one() -> None:
    yaw, grid = turned_round(np.random.default_rng(7), 1024), np.linspace(-np.pi, np.pi, 200)
    peaks = np.exp(60.0 * (np.cos(grid[:, None] - (np.pi, 0.0)) - 1)) / (2 * np.pi * i0e(60.0))
    truth = peaks @ (2 / 3, 1 / 3)
    assert np.abs(yaw_density(yaw, np.ones(1024), grid) - truth).max() < DENSITY * truth.max()


def test_resampling_repeats_samples_by_their_weight() -> None:
    weight = np.array([0.0, 3.0, 1.0, 0.0, 4.0])
    assert np.bincount(resample(weight, 80), minlength=5).tolist() == [0, 30, 10, 0, 40]


def test_yaw_distance_takes_the_short_way() -> None:
    assert yaw_distances(np.array([3.0]), np.array([-3.0]))[0, 0] == pytest.approx(
        2 * np.pi - 6, abs=EXACT
    )
