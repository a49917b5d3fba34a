"""The result file, and recalls as the challenge counts them."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.bop_dataset import TargetTruth
from epropnp_det.object_pose.evaluation.bop_recalls import (
    TargetErrors,
    evaluate,
    match_greedily,
    recall,
)
from epropnp_det.object_pose.evaluation.bop_results import (
    BopResult,
    read_results,
    write_results,
)
from epropnp_det.object_pose.rigid_pose import RigidPose
from tests import tolerances
from tests.object_pose.conftest import model_of

CAMERA = np.array([[572.4, 0, 325.8], [0, 573.6, 242.5], [0, 0, 1]])
LINE = "2,3,1,0.5,1 0 0 0 1 0 0 0 1,10 20 800,0.25"


def draw_results(count: int, seed: int = 0) -> list[BopResult]:
    rng = np.random.default_rng(seed)
    rotations = Rotation.random(count, random_state=rng).as_matrix()
    places = np.array([0, 0, 0.8]) + rng.uniform(-0.1, 0.1, (count, 3))
    poses = [RigidPose(*each) for each in zip(rotations, places)]
    return [BopResult(2, 3 + k // 2, 1, rng.random(), pose, 0.1) for k, pose in enumerate(poses)]


def test_results_come_back_from_their_file(tmp_path: Path):
    results = draw_results(9)
    write_results(results, tmp_path / "ours_lmo-test.csv")
    back = read_results(tmp_path / "ours_lmo-test.csv")
    for one, other in zip(results, back, strict=True):
        assert (one.scene_id, one.image_id, one.object_id) == (
            other.scene_id,
            other.image_id,
            other.object_id,
        )
        assert one.score == other.score and one.time == other.time
        assert np.array_equal(one.pose.rotation, other.pose.rotation)
        assert np.abs(one.pose.translation - other.pose.translation).max() < tolerances.METRIC


def test_the_form_of_a_line(tmp_path: Path):
    result = BopResult(2, 3, 1, 0.5, RigidPose(np.eye(3), np.array([0.01, 0.02, 0.8])))
    write_results([result], tmp_path / "a.csv")
    header, line = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "scene_id,im_id,obj_id,score,R,t,time"
    fields = line.split(",")
    assert fields[:4] == ["2", "3", "1", "0.5"] and fields[6] == "-1.0"
    assert fields[4] == "1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0"
    assert [float(value) for value in fields[5].split()] == [10.0, 20.0, 800.0]


def test_a_header_is_optional(tmp_path: Path):
    (tmp_path / "a.csv").write_text(LINE + "\n")
    (result,) = read_results(tmp_path / "a.csv")
    assert result.object_id == 1 and result.pose.translation.tolist() == [0.01, 0.02, 0.8]


@pytest.mark.parametrize(
    "text, message",
    [
        ("2,3,1,0.5,1 0 0,10 20 800,0.25", "line 1, R: '1 0 0' is no 9 finite numbers"),
        ("2,3,1,0.5,1 0 0 0 1 0 0 0 1,10 20 800", "line 1: 6 columns instead of 7"),
        (LINE + "\n" + LINE.replace("800", "nan"), "line 2, t: .* is no 3 finite numbers"),
        (LINE.replace("1 0 0 0 1 0 0 0 1", "2 0 0 0 1 0 0 0 1"), "line 1: R is no rotation"),
        (LINE.replace("2,3,1", "2,3,ape"), "line 1, obj_id: 'ape' is no 1 finite numbers"),
        (LINE + "\n" + LINE.replace("0.25", "0.5"), "image 3 of scene 2 has the times"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "a.csv").write_text(text + "\n")
    with pytest.raises(UserError, match=message):
        read_results(tmp_path / "a.csv")


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        read_results(tmp_path / "none.csv")


def test_greedy_matching_by_hand():
    errors = np.array([[0.2, 0.5], [0.1, 0.3], [0.05, 0.05]])
    scores = np.array([0.9, 0.8, 0.1])
    assert match_greedily(scores, errors, 0.4, 3).tolist() == [0, 1, -1]
    assert match_greedily(scores, errors, 0.2, 3).tolist() == [-1, 0, 1]  # below, not at
    assert match_greedily(scores, errors, 0.4, 1).tolist() == [0, -1, -1]
    assert match_greedily(scores[:0], errors[:0], 0.4, 2).tolist() == []


def test_more_estimates_than_instances_never_find_more():
    rng = np.random.default_rng(0)
    for _ in range(50):
        errors = rng.random((5, 3))
        scores = rng.random(5)
        found = match_greedily(scores, errors, 0.5, 3)
        best = max(
            sum(errors[row, column] < 0.5 for row, column in zip(rows, range(3)))
            for rows in permutations(range(5), 3)
        )
        assert (found >= 0).sum() <= best
        assert len(set(found[found >= 0])) == (found >= 0).sum()


def test_recalls_count_targets_and_average_thresholds():
    def target(object_id: int, error: float) -> TargetErrors:
        return TargetErrors(object_id, 1, np.ones(1), {"e": np.array([[error]])})

    found = recall([target(1, 0.12), target(1, 9.0), target(2, 0.0)], "e", [0.1, 0.2])
    assert found.by_object == {1: 0.25, 2: 1.0}
    assert found.mean == 0.625 and found.of_targets == 0.5


def test_true_poses_are_perfect_and_no_poses_find_nothing():
    model = model_of(trimesh.creation.box((0.1, 0.06, 0.04)))
    results = draw_results(6)
    targets = [
        TargetTruth(2, image, 1, 2, RigidPose.stack(poses), CAMERA, 640)
        for image in (3, 4, 5)
        if (poses := [each.pose for each in results if each.image_id == image])
    ]
    perfect = evaluate(results, targets, {1: model})
    assert {each.mean for each in perfect.values()} == {1.0}
    assert {each.of_targets for each in evaluate([], targets, {1: model}).values()} == {0.0}
    assert evaluate(results[:3], targets, {1: model})["AR_MSSD"].of_targets == 0.5


def test_an_object_without_model_is_named():
    target = TargetTruth(2, 3, 7, 1, RigidPose.stack([RigidPose.identity()]), CAMERA, 640)
    with pytest.raises(UserError, match="object 7 of image 3 in scene 2 has no model"):
        evaluate([], [target], {})
    with pytest.raises(UserError, match="no target"):
        evaluate([], [], {})
