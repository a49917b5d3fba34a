"""Shares of a posterior near the symmetric poses of an object."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from epropnp_det.object_pose.evaluation.judged_pose import JudgedPose
from epropnp_det.object_pose.evaluation.mode_shares import mode_shares, mode_table
from epropnp_det.object_pose.rigid_pose import RigidPose
from epropnp_det.object_pose.structures import ObjectPoses
from tests import tolerances
from tests.object_pose.conftest import model_of

TURN = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1))
FOUR_FOLD = [np.linalg.matrix_power(TURN, k).ravel().tolist() for k in (1, 2, 3)]
TRUTH = RigidPose(Rotation.from_euler("xyz", (0.4, -0.2, 1.1)).as_matrix(), np.array([0, 0, 0.8]))


def judged(mass: list[float], **symmetries: object) -> JudgedPose:
    """Samples around the symmetric poses of a box, with the given weights of the poses."""
    model = model_of(trimesh.creation.box((0.1, 0.1, 0.05)), **symmetries)
    rng = np.random.default_rng(0)
    chosen = np.repeat(np.arange(len(mass)), 20)
    around = Rotation.from_rotvec(rng.normal(0, 0.1, (len(chosen), 3)))
    members = TRUTH.compose(model_of(model_mesh(), symmetries_discrete=FOUR_FOLD).symmetries)
    rotation = around.as_matrix() @ members.rotation[chosen]
    samples = RigidPose(rotation, np.tile(TRUTH.translation, (len(chosen), 1))).to_vector()
    weight = np.repeat(np.array(mass) / 20, 20)
    vector = torch.tensor(TRUTH.to_vector())[None]
    valid = torch.ones(1, dtype=torch.bool)
    poses = ObjectPoses(
        vector,
        torch.eye(6)[None],
        torch.zeros(1),
        valid,
        torch.tensor(samples)[None],
        torch.tensor(weight)[None],
    )
    return JudgedPose(poses, TRUTH, model)


def model_mesh() -> trimesh.Trimesh:
    return trimesh.creation.box((0.1, 0.1, 0.05))


@pytest.mark.parametrize("mass", [[0.25] * 4, [0.7, 0.1, 0.2, 0.0], [0.0, 1.0, 0.0, 0.0]])
def test_shares_are_the_weights_of_the_modes(mass: list[float]):
    (found,) = mode_shares([judged(mass, symmetries_discrete=FOUR_FOLD)])
    assert np.abs(found.shares - mass).max() < tolerances.EXACT
    assert abs(found.departure - np.abs(np.array(mass) - 0.25).max()) < tolerances.EXACT


def test_table_has_means_by_object():
    masses = ([0.25] * 4, [0.0, 1.0, 0.0, 0.0])
    shares = mode_shares([judged(mass, symmetries_discrete=FOUR_FOLD) for mass in masses])
    modes, largest, departure = mode_table(shares)[1]
    assert modes == 4 and abs(largest - 0.625) < tolerances.EXACT
    assert abs(departure - 0.375) < tolerances.EXACT


def test_objects_without_discrete_symmetries_are_left_out():
    axis = [dict(axis=[0, 0, 1], offset=[0, 0, 0])]
    mass = [0.25] * 4
    assert mode_shares([judged(mass), judged(mass, symmetries_continuous=axis)]) == []
