"""Tables of recordings other than nuScenes are converted, with counts of what was left out, or
refused in one line that names table, record and field.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.detection.data import annotation_file, nuscenes_convert, nuscenes_records
from epropnp_det.detection.data.annotation_check import find_faults
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.errors import UserError
from tests.nuscenes_factory import IMAGE_SIZE, SCENES, VERSION

Tables = dict[str, list[dict]]
REMOVED = object()
VALUES = (
    None,
    True,
    -1,
    10**400,
    math.nan,
    math.inf,
    1e300,
    "",
    "dead",
    [],
    {},
    [1, 2, 3],
    REMOVED,
)


@pytest.fixture(scope="module")
def good(database: Path) -> Tables:
    folder = database / VERSION
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.fixture
def convert(good: Tables, database: Path, tmp_path: Path) -> Callable[..., dict]:
    """Converts changed tables, and returns the content of the file of the training split."""
    root = tmp_path / "data"
    (root / VERSION).mkdir(parents=True)
    for name in ("samples", "maps"):
        os.symlink(database / name, root / name)

    def run(change: Callable[[Tables], object], version: str = VERSION, **options) -> dict:
        tables = json.loads(json.dumps(good))
        change(tables)
        (root / version).mkdir(exist_ok=True)
        for name, records in tables.items():
            (root / version / f"{name}.json").write_text(json.dumps(records))
        path = nuscenes_convert.write_annotation_files(root, version, **options)[0]
        data = annotation_file.read_annotations(path)
        assert not list(find_faults(data, root, NUSCENES))
        return data

    return run


def channels(*names: str) -> Callable[[Tables], None]:
    """Leaves the sensors with these names alone."""

    def change(tables: Tables) -> None:
        kept = {each["token"] for each in tables["sensor"] if each["channel"] in names}
        calibrated = {
            each["token"] for each in tables["calibrated_sensor"] if each["sensor_token"] in kept
        }
        tables["sample_data"] = [
            each for each in tables["sample_data"] if each["calibrated_sensor_token"] in calibrated
        ]

    return change


def put(table: str, key: str, value: object) -> Callable[[Tables], None]:
    """Sets a key of all records; a function makes the value from the old one."""

    def change(tables: Tables) -> None:
        for record in tables[table]:
            if value is REMOVED:
                del record[key]
            else:
                record[key] = value(record[key]) if callable(value) else value

    return change


@pytest.fixture(scope="module")
def expected(database: Path) -> dict:
    return json.loads((database / annotation_file.file_name("train", VERSION)).read_text())


def test_a_recording_without_lidar_counts_ranges_from_its_first_camera(
    convert: Callable[..., dict], expected: dict
):
    data = convert(channels(*nuscenes_records.CAMERAS))
    assert data["annotations"] == expected["annotations"]
    for image in data["images"]:
        front = next(each for each in data["images"] if each["token"] == image["token"])
        assert image["range_origin"] == front["ego2global_translation"]


def test_a_single_camera_is_enough(
    convert: Callable[..., dict], expected: dict, capsys: pytest.CaptureFixture
):
    data = convert(channels("CAM_BACK", "LIDAR_TOP"))
    images = [image for image in expected["images"] if "/CAM_BACK/" in image["file_name"]]
    assert data["images"] == images
    samples = len({image["token"] for image in expected["images"]})
    out = capsys.readouterr().out
    assert f"left out {samples} images of CAM_FRONT, which the sample does not have" in out


def test_other_cameras_follow_those_of_nuscenes(convert: Callable[..., dict]):
    def rename(tables: Tables) -> None:
        for sensor in tables["sensor"]:
            if sensor["channel"] == "CAM_FRONT":
                sensor["channel"] = "ZOOM"

    data = convert(rename)
    assert "/CAM_FRONT/" in data["images"][5]["file_name"]


@pytest.mark.parametrize(
    "change, key, value, line",
    [
        (put("sample_annotation", "visibility_token", REMOVED), "visibility", 4, "visibilities"),
        (put("sample_annotation", "visibility_token", "v60-80"), "visibility", 3, None),
        (put("visibility", "level", "v0-40"), None, None, None),
        (put("sample_annotation", "num_lidar_pts", REMOVED), "num_lidar_pts", None, None),
        (put("sample_annotation", "num_lidar_pts", -1), "num_lidar_pts", None, None),
        (put("sample_annotation", "attribute_tokens", REMOVED), "attribute_known", False, "attrib"),
        (put("attribute", "name", "own"), None, None, "attributes own, which nuScenes does not"),
        (put("sample_data", "width", REMOVED), None, None, None),
        (put("sample_data", "height", 0), None, None, None),
    ],
)
def test_what_a_recording_does_not_have_is_unknown(
    convert: Callable[..., dict],
    expected: dict,
    capsys: pytest.CaptureFixture,
    change: Callable,
    key: str | None,
    value: object,
    line: str | None,
):
    data = convert(change)
    assert len(data["annotations"]) == len(expected["annotations"])
    if key is not None:
        assert {annotation.get(key) for annotation in data["annotations"]} == {value}
    assert {(image["width"], image["height"]) for image in data["images"]} == {IMAGE_SIZE}
    assert line is None or f" {line}" in capsys.readouterr().out


def test_names_of_the_classes_are_categories_too(convert: Callable[..., dict], expected: dict):
    names = {"vehicle.car": "car", "human.pedestrian.adult": "pedestrian"}
    data = convert(put("category", "name", lambda name: names.get(name, name)))
    assert data == expected


def test_categories_that_are_no_class_are_counted(
    convert: Callable[..., dict], expected: dict, capsys: pytest.CaptureFixture
):
    data = convert(put("category", "name", lambda name: name.replace("vehicle.car", "tank")))
    kept = [each for each in expected["annotations"] if each["category_name"] != "car"]
    assert len(data["annotations"]) == len(kept)
    assert "boxes of category tank, which is no class" in capsys.readouterr().out


def test_a_file_without_boxes_is_not_written(convert: Callable[..., dict]):
    with pytest.raises(UserError, match=r"no box of v1\.0-mini has a category"):
        convert(put("category", "name", lambda name: f"own {name}"))
    with pytest.raises(UserError, match="no image shows any of the boxes"):
        convert(put("sample_annotation", "translation", [0.0, 0.0, 1e5]))


def test_scenes_of_other_names_need_splits(convert: Callable[..., dict], tmp_path: Path):
    splits = tmp_path / "splits.json"
    splits.write_text(json.dumps(dict(train=[SCENES[1].name])))
    data = convert(lambda _: None, "own", splits=nuscenes_convert.read_splits(splits))
    assert data["info"]["split"] == "train" and data["info"]["version"] == "own"
    with pytest.raises(UserError, match=r"no splits for version 'own'.*--splits"):
        convert(lambda _: None, "own")
    with pytest.raises(UserError, match="scenes that table scene does not have: nowhere"):
        convert(lambda _: None, splits=dict(train=["nowhere"]))
    for content in ("[]", "{", '{"../x": []}', '{"train": "scene"}'):
        splits.write_text(content)
        with pytest.raises(UserError, match=r"splits.json (are not names of scenes|is not JSON)"):
            nuscenes_convert.read_splits(splits)


@pytest.mark.parametrize(
    "change, line",
    [
        (
            put("calibrated_sensor", "camera_intrinsic", lambda rows: rows and rows[0] + rows[1]),
            "camera_intrinsic of a camera is a 3x3 matrix",
        ),
        (put("sample_annotation", "size", [math.nan, 1, 1]), "size is 3 finite numbers"),
        (put("sample_annotation", "rotation", [0.1, 0.2, 0.3]), "rotation is a unit quaternion"),
        (put("sample_annotation", "instance_token", "dead"), "record in table instance"),
        (put("sample_data", "ego_pose_token", "dead"), "record in table ego_pose"),
        (put("sample_annotation", "attribute_tokens", ["dead"]), "records in table attribute"),
        (put("map", "log_tokens", []), "each log is in log_tokens of a map"),
        (put("map", "filename", "../a.png"), "filename of a map is empty or stays"),
        (put("map", "filename", "a\n"), "filename of a map is empty or stays"),
        (put("map", "log_tokens", REMOVED), "table map have the key 'log_tokens'"),
        (lambda tables: tables.update(map=[]), "table map is a list of records"),
        (lambda tables: tables.update(visibility=None), "table visibility is a list of records"),
        (lambda tables: tables["scene"].append(5), "each entry of table scene is an object"),
        (lambda tables: tables["sample"].extend(tables["sample"]), "tokens of table sample are"),
    ],
)
def test_mistakes_are_named(convert: Callable[..., dict], change: Callable, line: str):
    with pytest.raises(UserError, match=rf"tables in .*{VERSION}: .*{line}") as error:
        convert(change)
    assert "\n" not in str(error.value)


def test_any_value_in_the_tables_is_converted_or_refused(
    good: Tables, convert: Callable[..., dict], tmp_path: Path
):
    """Each key of a record in each table gets one of the values; each value, many keys."""
    rng = np.random.default_rng(0)
    for table, records in good.items():
        for key in records[0]:
            for number in rng.choice(len(VALUES), size=1):
                value = VALUES[number]

                def change(tables: Tables, table=table, key=key, value=value) -> None:
                    record = tables[table][0]
                    if value is REMOVED:
                        del record[key]
                    else:
                        record[key] = value

                with contextlib.suppress(UserError):
                    convert(change)
                shutil.rmtree(tmp_path / "data" / VERSION)


@pytest.mark.parametrize("token", ["../../escaped", "/tmp/escaped", "a/b", "..", "a\0b"])
def test_a_token_writes_nothing_outside_its_folder(
    convert: Callable[..., dict], tmp_path: Path, token: str
):
    def rename(tables: Tables) -> None:
        tables["sample_data"][0]["token"] = token

    before = {path for path in tmp_path.rglob("*") if "data" not in path.parts}
    with pytest.raises(UserError, match=r"token is a text that can be the name of a file"):
        convert(rename, out=tmp_path / "data" / "deep" / "out", lidar=True)
    assert {path for path in tmp_path.rglob("*") if "data" not in path.parts} == before
    assert not list(tmp_path.rglob("*escaped*"))
