"""Submissions are held to the rules of the benchmark, and a mistake is named by its place."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nuscenes.eval.common.loaders import load_prediction
from nuscenes.eval.detection.constants import ATTRIBUTE_NAMES, DETECTION_NAMES
from nuscenes.eval.detection.data_classes import DetectionBox

from epropnp_det.detection.data import nuscenes_convert
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.data.nuscenes_classes import ADMITTED_ATTRIBUTES, CLASSES
from epropnp_det.detection.evaluation import submission_check
from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import UserError
from tests.nuscenes_factory import VERSION

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def path(make_dataset, perfect_results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good submission for mini_val: the ground truth."""
    dataset = make_dataset("val")
    path, _ = dataset.format_results(
        perfect_results(dataset), str(tmp_path_factory.mktemp("submission"))
    )
    return path


@pytest.fixture(scope="module")
def good(path: Path) -> dict:
    return submission_check.read_submission(path)


@pytest.fixture(scope="module")
def split(database: Path, good: dict) -> submission_check.Split:
    return submission_check.find_split(nuscenes_convert.open_database(database, VERSION), good)


def first_box(content: dict) -> dict:
    return next(iter(content["results"].values()))[0]


def test_names_are_those_of_the_devkit():
    assert set(CLASSES) == set(DETECTION_NAMES)
    assert {name for names in ADMITTED_ATTRIBUTES.values() for name in names} - {"none"} == set(
        ATTRIBUTE_NAMES
    )


def test_ground_truth_is_valid_and_the_devkit_reads_it(
    path: Path, good: dict, split: submission_check.Split
):
    assert list(submission_check.find_faults(good, NUSCENES, split)) == []
    boxes, _ = load_prediction(str(path), submission_check.MAX_BOXES, DetectionBox)
    assert split.name == "mini_val" and set(boxes.sample_tokens) == split.samples
    text = submission_check.summary(good, NUSCENES, split)
    assert f"2 samples (all of mini_val), {len(boxes.all)} boxes" in text and "uses camera" in text


BOX_MISTAKES = {
    "translation of NaN": (
        dict(translation=[1.0, float("nan"), 2.0]),
        "translation is 3 finite numbers",
        "[1.0, NaN, 2.0]",
    ),
    "translation of text": (
        dict(translation=["1", 0.0, 2.0]),
        "translation is 3 finite numbers",
        '["1", 0.0, 2.0]',
    ),
    "translation too short": (
        dict(translation=[1.0, 2.0]),
        "translation is 3 finite numbers",
        "[1.0, 2.0]",
    ),
    "infinite velocity": (
        dict(velocity=[float("inf"), 0.0]),
        "velocity is 2 finite numbers",
        "[Infinity, 0.0]",
    ),
    "flat box": (
        dict(size=[1.0, 0.0, 2.0]),
        "size (width, length, height) is positive",
        "[1.0, 0.0, 2.0]",
    ),
    "long quaternion": (
        dict(rotation=[1.0, 1.0, 0.0, 0.0]),
        "rotation is a unit quaternion",
        "of length 1.414",
    ),
    "truth value as rotation": (
        dict(rotation=[True, 0.0, 0.0, 0.0]),
        "rotation is 4 finite numbers",
        "[true, 0.0, 0.0, 0.0]",
    ),
    "score above one": (
        dict(detection_score=1.5),
        "detection_score is a number from 0 to 1",
        "1.5",
    ),
    "no score": (dict(detection_score=None), "detection_score is a number from 0 to 1", "null"),
    "unknown class": (dict(detection_name="van"), "detection_name is one of car, truck", '"van"'),
    "attribute of another class": (
        dict(detection_name="bus", attribute_name="cycle.with_rider"),
        "attribute_name fits the class, or is empty",
        '"cycle.with_rider" for a bus; it may be vehicle.moving, vehicle.parked, vehicle.stopped',
    ),
    "attribute of a cone": (
        dict(detection_name="traffic_cone", attribute_name="none"),
        "attribute_name fits the class, or is empty",
        '"none" for a traffic_cone; it may be empty alone',
    ),
    "another sample's box": (
        dict(sample_token="elsewhere"),
        "a box names the sample that it is listed under",
        '"elsewhere"',
    ),
}


@pytest.mark.parametrize("changes, rule, found", BOX_MISTAKES.values(), ids=BOX_MISTAKES)
def test_a_wrong_box_is_one_line_with_its_place(
    good: dict, split: submission_check.Split, changes: dict, rule: str, found: str
):
    content = copy.deepcopy(good)
    token = first_box(content)["sample_token"]
    first_box(content).update(changes)
    (line,) = summarize(submission_check.find_faults(content, NUSCENES, split))
    assert line.startswith(rule) and f"sample {token}, box 0: " in line and found in line


def test_every_attribute_of_a_class_and_none_are_fine(good: dict):
    content = copy.deepcopy(good)
    for name, admitted in ADMITTED_ATTRIBUTES.items():
        for attribute in ("", *(each for each in admitted if each != "none")):
            first_box(content).update(detection_name=name, attribute_name=attribute)
            assert list(submission_check.find_faults(content, NUSCENES)) == []


def without_key(content: dict) -> None:
    del first_box(content)["velocity"]


def box_of_text(content: dict) -> None:
    next(iter(content["results"].values()))[0] = "box"


def without_flag(content: dict) -> None:
    del content["meta"]["use_map"]


def too_many(content: dict) -> None:
    next(iter(content["results"].values()))[:] = [first_box(content)] * 501


def without_sample(content: dict) -> None:
    content["results"].pop(max(content["results"]))


def foreign_sample(content: dict) -> None:
    content["results"]["abc"] = []


def null_sample(content: dict) -> None:
    content["results"][max(content["results"])] = None


@pytest.mark.parametrize(
    "damage, line",
    [
        (without_key, "a box has the keys sample_token, .*, box 0: without velocity"),
        (box_of_text, "a box has the keys .*, box 0: without sample_token, "),
        (without_flag, "meta has the flags use_camera, .* each true or false: use_map: .*missing"),
        (too_many, "a sample has at most 500 boxes: sample .*: 501 boxes"),
        (without_sample, "every sample of mini_val is there, .*: sample .*: missing"),
        (
            foreign_sample,
            "every sample belongs to mini_val: sample abc: is of another split, or none",
        ),
        (null_sample, "a sample has a list of boxes: sample .*: null"),
    ],
)
def test_a_wrong_file_is_one_line(
    good: dict, split: submission_check.Split, damage: Callable[[dict], None], line: str
):
    content = copy.deepcopy(good)
    damage(content)
    (found,) = summarize(submission_check.find_faults(content, NUSCENES, split))
    assert re.match(line, found), found


def test_mistakes_of_a_kind_are_counted_in_one_line(good: dict):
    content = copy.deepcopy(good)
    boxes = [box for sample in content["results"].values() for box in sample]
    for box in boxes:
        box["size"] = [1, -1, 1]
    boxes[0]["detection_score"] = -1
    lines = summarize(submission_check.find_faults(content, NUSCENES))
    assert len(lines) == 2 and f"(and {len(boxes) - 1} more)" in lines[0]


def test_the_split_may_be_named(database: Path, good: dict):
    nusc = nuscenes_convert.open_database(database, VERSION)
    other = submission_check.find_split(nusc, good, "mini_train")
    assert (
        len(summarize(submission_check.find_faults(good, NUSCENES, other))) == 2
    )  # its own samples are foreign, the others are missing
    with pytest.raises(
        UserError,
        match=r"eval_set 'val' does not exist in v1.0-mini; choose from mini_train, mini_val",
    ):
        submission_check.find_split(nusc, good, "val")


def test_a_split_without_samples_is_no_candidate(database: Path, good: dict):
    nusc = copy.copy(nuscenes_convert.open_database(database, VERSION))
    train = submission_check.find_split(nusc, good, "mini_train")
    nusc.sample = [sample for sample in nusc.sample if sample["token"] in train.samples]
    for results in ({}, {"f" * 32: []}):
        assert submission_check.find_split(nusc, dict(good, results=results)) == train
    with pytest.raises(UserError, match="no sample of mini_val here; choose from mini_train"):
        submission_check.find_split(nusc, good, "mini_val")
    nusc.sample = []
    with pytest.raises(UserError, match="no sample of its splits mini_train, mini_val"):
        submission_check.find_split(nusc, good)


def test_an_empty_submission_is_a_fault(good: dict):
    (line,) = summarize(submission_check.find_faults(dict(good, results={}), NUSCENES))
    assert "results has a list of boxes for every sample" in line and "empty" in line


NO_SUBMISSIONS = [
    ("{", "is not JSON"),
    ("[]", "is no submission"),
    ('{"meta": {}, "results": []}', "is no submission"),
]


@pytest.mark.parametrize("text, fault", NO_SUBMISSIONS)
def test_what_is_no_submission_is_refused(tmp_path: Path, text: str, fault: str):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(UserError, match=fault):
        submission_check.read_submission(tmp_path / "file.json")
    with pytest.raises(UserError, match="cannot be read"):
        submission_check.read_submission(tmp_path / "missing.json")


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "tools/validate_submission.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command(database: Path, path: Path, good: dict, tmp_path: Path):
    done = run(path, "--data-root", database, "--version", VERSION, "--eval-set", "mini_val")
    assert done.returncode == 0 and "valid: 2 samples (all of mini_val)" in done.stdout
    content = copy.deepcopy(good)
    first_box(content).update(detection_score=7, velocity=[0])
    (tmp_path / "wrong.json").write_text(json.dumps(content))
    done = run(tmp_path / "wrong.json")
    assert done.returncode == 2 and done.stdout == ""
    assert [line.split(" is ")[0] for line in done.stderr.splitlines() if "error" in line] == [
        "error: velocity",
        "error: detection_score",
    ]
