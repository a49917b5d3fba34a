"""Densities of directions integrate to one and find the distribution that samples come from."""

from __future__ import annotations

import numpy as np
import pytest

from epropnp_det.posterior.density import direction_density
from tests.tolerances import DENSITY, QUADRATURE


def sphere(count: int) -> np.ndarray:
    """Unit vectors (count, 3) on a spiral: each stands for the same solid angle."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    turn = np.pi * (1 + np.sqrt(5)) * index
    level = np.sqrt(1 - z**2)
    return np.stack([level * np.cos(turn), level * np.sin(turn), z], axis=1)


def around_z(concentration: float, count: int) -> np.ndarray:
    """Draws (count, 3) of a von Mises-Fisher distribution around z."""
    rng = np.random.default_rng(0)
    share = rng.uniform(size=count)
    rest = np.exp(-2 * concentration)
    z = 1 + np.log(share + (1 - share) * rest) / concentration
    turn = rng.uniform(0, 2 * np.pi, count)
    level = np.sqrt(np.clip(1 - z**2, 0, None))
    return np.stack([level * np.cos(turn), level * np.sin(turn), z], axis=1)


@pytest.mark.parametrize("concentration", [0.5, 20.0])
def test_densities_integrate_to_one(concentration: float):
    level, share = np.polynomial.legendre.leggauss(100)
    turn = np.arange(200) * np.pi / 100
    z, angle = (each.ravel() for each in np.meshgrid(level, turn, indexing="ij"))
    across = np.sqrt(1 - z**2)
    places = np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=1)
    weight = np.random.default_rng(1).uniform(size=100)
    density = direction_density(around_z(concentration, 100), weight, places, least_width=0.1)
    integral = np.repeat(share, len(turn)) @ density * np.pi / 100
    assert abs(integral - 1) < QUADRATURE


@pytest.mark.parametrize("concentration", [5.0, 50.0])
def test_the_density_of_draws_is_found(concentration: float):
    places = sphere(500)
    expected = concentration / (2 * np.pi * -np.expm1(-2 * concentration))
    expected = expected * np.exp(concentration * (places[:, 2] - 1))
    found = direction_density(around_z(concentration, 2000), np.ones(2000), places)
    assert np.abs(found - expected).max() < DENSITY * expected.max()


def test_weights_count_as_repetitions():
    some = around_z(3.0, 50)
    twice = np.concatenate([some, some[:10]])
    weight = np.ones(50)
    weight[:10] = 2
    places = sphere(100)
    one = direction_density(some, weight, places, least_width=2.0)
    other = direction_density(twice, np.ones(60), places, least_width=2.0)
    assert np.abs(one - other).max() < 1e-12
