"""Pose errors: the recordings of the BOP toolkit and the released evaluation, and their laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from epropnp_det.object_pose.data.object_models import load_models
from epropnp_det.object_pose.data.symmetries import expand_symmetries
from epropnp_det.object_pose.evaluation import linemod_summary, pose_errors
from epropnp_det.object_pose.rigid_pose import RigidPose
from tests import tolerances

MM = 1e-3
CAMERA = np.array([[572.4, 0, 325.8], [0, 573.6, 242.5], [0, 0, 1]])
SQUARE = dict(
    symmetries_discrete=[
        [c, -s, 0, 0, s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] for c, s in ((0, 1), (-1, 0), (0, -1))
    ]
)
ROUND = dict(symmetries_continuous=[dict(axis=[0, 0, 1], offset=[3.0, -2.0, 0.0])])


def record(folder: Path, name: str) -> dict:
    return torch.load(folder / name, weights_only=True)


def draw_poses(seed: int, count: int, distance: float = 0.8) -> RigidPose:
    rng = np.random.default_rng(seed)
    rotation = Rotation.random(count, random_state=rng).as_matrix()
    translation = np.array([0, 0, distance]) + rng.uniform(-0.1, 0.1, (count, 3))
    return RigidPose(rotation, translation)


def test_symmetries_are_expanded_as_the_toolkit_does(reference_folder: Path):
    recorded = record(reference_folder, "bop_symmetries.pt")
    members = expand_symmetries(recorded["info"], recorded["max_sym_disc_step"])
    assert np.abs(members.rotation - recorded["R"].numpy()).max() < tolerances.METRIC
    assert np.abs(members.translation - recorded["t"].numpy() * MM).max() < tolerances.METRIC


def test_errors_are_those_of_the_toolkit(reference_folder: Path, lmo_folder: Path):
    recorded = record(reference_folder, "bop_metrics.pt")
    values = {name: value.numpy() for name, value in recorded.items()}
    for object_id, model in load_models(lmo_folder / "models_eval").items():
        chosen = values["obj_id"] == object_id
        estimate = RigidPose(values["R_est"][chosen], values["t_est"][chosen] * MM)
        truth = RigidPose(values["R_gt"][chosen], values["t_gt"][chosen] * MM)
        matrix = values["K"][chosen]
        symmetries = model.symmetries
        computed = dict(
            add=pose_errors.add(estimate, truth, model.vertices) / MM,
            adi=pose_errors.adi(estimate, truth, model.vertices) / MM,
            mssd=pose_errors.mssd(estimate, truth, model.vertices, symmetries) / MM,
            mspd=pose_errors.mspd(estimate, truth, model.vertices, symmetries, matrix),
            proj=pose_errors.projection_error(estimate, truth, model.vertices, matrix),
            re=pose_errors.rotation_error(estimate, truth),
            te=pose_errors.translation_error(estimate, truth) / MM,
        )
        assert (values["n_syms"][chosen] == len(symmetries.translation)).all()
        for name, value in computed.items():
            assert np.abs(value - values[name][chosen]).max() < tolerances.METRIC, name


def test_rotation_and_translation_errors_need_no_model(reference_folder: Path):
    recorded = record(reference_folder, "bop_metrics.pt")
    values = {name: value.numpy() for name, value in recorded.items()}
    estimate = RigidPose(values["R_est"], values["t_est"] * MM)
    truth = RigidPose(values["R_gt"], values["t_gt"] * MM)
    turned = pose_errors.rotation_error(estimate, truth)
    moved = pose_errors.translation_error(estimate, truth) / MM
    assert np.abs(turned - values["re"]).max() < tolerances.METRIC
    assert np.abs(moved - values["te"]).max() < tolerances.METRIC


def test_the_released_evaluation(reference_folder: Path):
    recorded = record(reference_folder, "lm_eval.pt")
    matrix = recorded["K"].numpy()
    rows = {}
    for index, name in enumerate(recorded["classes"]):
        chosen = recorded["class"] == index
        estimate, truth = (
            RigidPose(recorded[key][chosen, :, :3].numpy(), recorded[key][chosen, :, 3].numpy())
            for key in ("est", "gt")
        )
        vertices = recorded["vertices"][name].numpy()
        computed = dict(
            add=pose_errors.add(estimate, truth, vertices),
            adi=pose_errors.adi(estimate, truth, vertices),
            proj=pose_errors.projection_error(estimate, truth, vertices, matrix),
            re=pose_errors.rotation_error(estimate, truth),
            te=pose_errors.translation_error(estimate, truth),
        )
        for key, value in computed.items():
            assert np.abs(value - recorded[key][chosen].numpy()).max() < tolerances.METRIC, key
        diameter = float(recorded["diameter"][index])
        errors = linemod_summary.linemod_errors(name, estimate, truth, vertices, diameter, matrix)
        rows[name] = linemod_summary.linemod_row(errors)
    rows["mean"] = linemod_summary.linemod_mean(rows)
    for key, wanted in recorded["summary"].items():
        name, column = key.split("/")
        columns = [column]
        if wanted.numel() == 3:
            columns = [f"{column}_rotation", f"{column}_translation", column]
        found = np.array([rows[name][each] for each in columns])
        limit = tolerances.RELEASED_AREA if "area" in column else tolerances.RELEASED_PERCENT
        assert np.abs(found - wanted.numpy()).max() < limit, key


@pytest.mark.parametrize("info", [SQUARE, ROUND], ids=["discrete", "continuous"])
def test_a_symmetric_pose_has_no_error(info: dict):
    members = expand_symmetries(info)
    rng = np.random.default_rng(0)
    corner = members.apply(rng.uniform(-0.05, 0.05, (3, 3)))  # closed under the symmetries
    vertices = corner.reshape(-1, 3)
    truth = draw_poses(1, 1)[0]
    estimate = truth[None].compose(members[[1, len(members.translation) // 2]])
    assert pose_errors.mssd(estimate, truth[None], vertices, members).max() < tolerances.EXACT
    mspd = pose_errors.mspd(estimate, truth[None], vertices, members, CAMERA)
    assert mspd.max() < tolerances.EXACT * CAMERA[0, 0]
    assert pose_errors.adi(estimate, truth[None], vertices).max() < tolerances.EXACT
    nearest = pose_errors.nearest_symmetric_truth(estimate, truth[None], members)
    assert np.abs(nearest.rotation - estimate.rotation).max() < tolerances.EXACT
    assert np.abs(nearest.translation - estimate.translation).max() < tolerances.EXACT


def test_errors_do_not_depend_on_the_frame_of_the_camera():
    vertices = trimesh.creation.torus(0.05, 0.02).vertices
    estimate = draw_poses(2, 5)
    truth = draw_poses(3, 5)
    moved = draw_poses(4, 1)
    symmetries = expand_symmetries(SQUARE)
    for error in (pose_errors.add, pose_errors.adi):
        there = error(moved.compose(estimate), moved.compose(truth), vertices)
        assert np.abs(there - error(estimate, truth, vertices)).max() < tolerances.EXACT
    there = pose_errors.mssd(moved.compose(estimate), moved.compose(truth), vertices, symmetries)
    here = pose_errors.mssd(estimate, truth, vertices, symmetries)
    assert np.abs(there - here).max() < tolerances.EXACT
    for error in (pose_errors.rotation_error, pose_errors.translation_error):
        there = error(moved.compose(estimate), moved.compose(truth))
        assert np.abs(there - error(estimate, truth)).max() < tolerances.EXACT * 180


def test_errors_are_ordered():
    vertices = trimesh.creation.box((0.1, 0.06, 0.04)).subdivide().vertices
    estimate = draw_poses(5, 40)
    truth = draw_poses(6, 40)
    add = pose_errors.add(estimate, truth, vertices)
    plain = pose_errors.mssd(estimate, truth, vertices, expand_symmetries({}))
    every = np.linalg.norm(estimate.apply(vertices) - truth.apply(vertices), axis=-1)
    assert (pose_errors.adi(estimate, truth, vertices) <= add + tolerances.EXACT).all()
    assert np.abs(plain - every.max(axis=-1)).max() < tolerances.EXACT  # hull corners suffice
    assert (pose_errors.mssd(estimate, truth, vertices, expand_symmetries(SQUARE)) <= plain).all()


def test_a_pure_translation_has_its_length():
    vertices = trimesh.creation.icosphere(1, 0.05).vertices
    truth = draw_poses(7, 6)
    shift = np.array([0.003, -0.004, 0.012])
    estimate = RigidPose(truth.rotation, truth.translation + shift)
    none = expand_symmetries({})
    for value in (
        pose_errors.add(estimate, truth, vertices),
        pose_errors.mssd(estimate, truth, vertices, none),
        pose_errors.translation_error(estimate, truth),
    ):
        assert np.abs(value - 0.013).max() < tolerances.EXACT


def test_poses_go_to_vectors_and_back():
    poses = draw_poses(8, 50)
    back = RigidPose.from_vector(poses.to_vector())
    assert np.abs(back.rotation - poses.rotation).max() < tolerances.EXACT
    assert np.array_equal(back.translation, poses.translation)
    identity = poses.compose(poses.inverse())
    assert np.abs(identity.rotation - np.eye(3)).max() < tolerances.EXACT
    assert np.abs(identity.translation).max() < tolerances.EXACT
