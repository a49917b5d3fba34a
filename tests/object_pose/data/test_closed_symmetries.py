"""Discrete symmetries are completed to a group."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.symmetries import closed_symmetries, expand_symmetries
from tests.tolerances import EXACT

GENERATORS = {
    "none": ((), 1),
    "two_z": ((("z", 180),), 2),
    "six_y": ((("y", 60),), 6),
    "three_xyz": ((("x", 180), ("y", 180)), 4),
    "cube": ((("z", 90), ("x", 90)), 24),
}


def info_of(turns: tuple, place: tuple[float, float, float] = (3.0, -2.0, 5.0)) -> dict:
    """Turns about axes through a point [mm], as BOP's files have them."""
    listed = []
    for axis, degrees in turns:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
        matrix[:3, 3] = np.array(place) - matrix[:3, :3] @ np.array(place)
        listed.append(matrix.ravel().tolist())
    return dict(diameter=100.0, symmetries_discrete=listed)


@pytest.mark.parametrize("name", GENERATORS)
def test_products_of_members_are_members(name: str) -> None:
    turns, number = GENERATORS[name]
    members = closed_symmetries(info_of(turns))
    assert len(members.rotation) == number
    assert np.allclose(members.rotation[0], np.eye(3)) and np.allclose(members.translation[0], 0)
    products = members[:, None].compose(members[None])
    for rotation, translation in zip(
        products.rotation.reshape(-1, 3, 3), products.translation.reshape(-1, 3)
    ):
        near = np.abs(members.rotation - rotation).max((1, 2)) < EXACT
        near &= np.abs(members.translation - translation).max(1) < EXACT
        assert near.sum() == 1


def test_a_whole_group_stays_as_it_is() -> None:
    info = info_of(tuple(("z", degrees) for degrees in (90, 180, 270)))
    whole = expand_symmetries(info)
    members = closed_symmetries(info)
    assert np.allclose(members.rotation, whole.rotation, rtol=0, atol=EXACT)
    assert np.allclose(members.translation, whole.translation, rtol=0, atol=EXACT)


def test_turns_of_no_finite_group_are_refused() -> None:
    with pytest.raises(UserError, match="generate no finite group; correct symmetries_discrete"):
        closed_symmetries(info_of((("z", 77.7), ("x", 31.3))))
