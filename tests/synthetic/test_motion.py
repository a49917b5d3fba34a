"""Motion on the ground, and the road."""

from __future__ import annotations

import math

import numpy as np
import pytest

from epropnp_det.synthetic.motion import EgoMotion, Motion, moved
from epropnp_det.synthetic.road import Road
from tests import tolerances

MOTIONS = [
    Motion(1.0, -2.0, 0.7, 8.0),
    Motion(0.0, 0.0, -2.0, 6.0, 0.15),
    Motion(3.0, 1.0, 3.0, 5.0, -0.4),
    Motion(2.0, 2.0, 1.0),
]


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("time", [-1.3, 0.0, 2.9])
def test_velocity_is_the_derivative_of_position(motion, time):
    step = 1e-5
    difference = (motion.position(time + step) - motion.position(time - step)) / (2 * step)
    np.testing.assert_allclose(difference, motion.velocity(time), atol=tolerances.FINITE_DIFFERENCE)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_motion_can_be_told_from_any_moment(motion):
    later = motion.at(1.7)
    np.testing.assert_allclose(later.position(0.6), motion.position(2.3), atol=tolerances.EXACT)
    assert later.heading(0.6) == pytest.approx(motion.heading(2.3), abs=tolerances.EXACT)


@pytest.mark.parametrize("curvature", [0.0, 1 / 140, -1 / 140])
@pytest.mark.parametrize("d", [-5.1, 1.7])
def test_traffic_keeps_its_distance_from_the_middle_line(curvature, d):
    road = Road(yaw=0.4, curvature=curvature, lanes=2, crossing=40.0)
    motion = road.drive(10.0, d, 8.0)
    position = motion.position(3.0)
    middle = road.point(np.linspace(-40, 60, 20001), 0.0)
    distance = np.linalg.norm(middle - position, axis=1)
    nearest = float(np.linspace(-40, 60, 20001)[distance.argmin()])
    assert distance.min() == pytest.approx(
        abs(d), abs=1e-4
    )  # the middle line is sampled every 5 mm
    ahead = 1 if d < 0 else -1
    assert (nearest - 10.0) * ahead > 0
    assert math.cos(motion.heading(3.0) - road.heading(nearest)) * ahead == pytest.approx(
        1, abs=1e-4
    )


def test_the_vehicle_tilts_by_a_fraction_of_a_degree_and_stays_on_the_ground():
    ego = EgoMotion(MOTIONS[1], tilt=(0.004, 0.003), phase=(0.3, 1.1))
    up = np.array(
        [
            moved(ego.matrix(t), np.array([0.0, 0.0, 1.0])) - ego.translation(t)
            for t in np.linspace(0, 5, 200)
        ]
    )
    angle = np.arccos(up[:, 2])
    assert 0.001 < angle.max() < 0.0051
    assert ego.translation(2.0)[2] == 0
