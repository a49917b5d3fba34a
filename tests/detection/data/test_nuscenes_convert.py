"""The annotation files say what the devkit's tables say."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmdet3d.datasets import NuScenesMonoDataset
from nuscenes import NuScenes
from nuscenes.eval.common.utils import quaternion_yaw
from nuscenes.eval.detection.config import config_factory
from pyquaternion import Quaternion

from epropnp_det.detection.data import annotation_file, frames, nuscenes_classes, nuscenes_convert
from epropnp_det.errors import UserError
from tests.nuscenes_factory import SCENES, THINGS, VERSION
from tests.tolerances import BOX_CENTER, UPRIGHT_YAW


@pytest.fixture(scope="module")
def nusc(database: Path) -> NuScenes:
    return NuScenes(VERSION, str(database), verbose=False)


@pytest.fixture(scope="module", params=["train", "val"])
def data(request: pytest.FixtureRequest, database: Path) -> dict:
    return annotation_file.read_annotations(
        database / f"nuscenes_mini_infos_{request.param}_mono3d.coco.json"
    )


def pairs(data: dict, nusc: NuScenes):
    """Every annotation with its image, the camera's transform and the devkit's record of the same
    box.
    """
    images = {image["id"]: image for image in data["images"]}
    records = {(row["instance_token"], row["sample_token"]): row for row in nusc.sample_annotation}
    for annotation in data["annotations"]:
        image = images[annotation["image_id"]]
        to_global = frames.RigidTransform.camera_to_global(image)
        yield annotation, image, to_global, records[annotation["instance_token"], image["token"]]


def test_boxes_come_back_to_where_the_devkit_has_them(data: dict, nusc: NuScenes):
    for annotation, _, to_global, record in pairs(data, nusc):
        box = np.array(annotation["bbox_cam3d"])
        rotation = to_global.rotation @ frames.rotation_from_yaw(box[6])
        yaw = quaternion_yaw(Quaternion(matrix=rotation, atol=1e-6))
        turn = (yaw - quaternion_yaw(Quaternion(record["rotation"])) + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(to_global(box[:3]), record["translation"], atol=BOX_CENTER)
        np.testing.assert_allclose(frames.size_to_devkit(box[3:6]), record["size"])
        assert abs(turn) < UPRIGHT_YAW


def test_velocities_come_back_and_unknown_ones_are_marked(data: dict, nusc: NuScenes):
    unknown = 0
    for annotation, _, to_global, record in pairs(data, nusc):
        expected = nusc.box_velocity(record["token"])[:2]
        assert annotation["velocity_known"] == bool(np.isfinite(expected).all())
        unknown += not annotation["velocity_known"]
        if annotation["velocity_known"]:
            actual = frames.velocity_to_global(np.array(annotation["velo_cam3d"]), to_global)
            np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert unknown > 0


def test_every_camera_has_its_own_ego_pose(data: dict, nusc: NuScenes):
    first = [image for image in data["images"] if image["token"] == data["images"][0]["token"]]
    assert len({tuple(image["ego2global_translation"]) for image in first}) == len(first) == 6
    for image in data["images"]:
        pose = nusc.get("ego_pose", nusc.get("sample_data", image["id"])["ego_pose_token"])
        lidar = nusc.get("sample_data", nusc.get("sample", image["token"])["data"]["LIDAR_TOP"])
        assert image["ego2global_translation"] == pose["translation"]
        assert image["range_origin"] == nusc.get("ego_pose", lidar["ego_pose_token"])["translation"]


def test_what_the_records_say_besides_the_box(data: dict, nusc: NuScenes):
    for annotation, image, _, record in pairs(data, nusc):
        assert annotation["visibility"] == int(record["visibility_token"])
        assert annotation["num_lidar_pts"] == record["num_lidar_pts"]
        assert annotation["file_name"] == image["file_name"]
        names = [nusc.get("attribute", token)["name"] for token in record["attribute_tokens"]] or [
            "none"
        ]
        assert nuscenes_classes.ATTRIBUTES[annotation["attribute_id"]] == names[0]
        assert annotation["category_name"] == nuscenes_classes.CLASSES[annotation["category_id"]]


def test_only_the_ten_classes_and_all_of_them(data: dict):
    assert {annotation["category_name"] for annotation in data["annotations"]} == set(
        nuscenes_classes.CLASSES
    )
    assert [category["name"] for category in data["categories"]] == list(nuscenes_classes.CLASSES)


def test_boxes_lie_in_front_and_inside_the_image(data: dict):
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        assert annotation["bbox_cam3d"][2] > 0 and width > 0 and height > 0
        assert x >= 0 and y >= 0 and x + width <= 1600 + 1e-9 and y + height <= 900 + 1e-9
        assert annotation["area"] == pytest.approx(width * height)
        assert 0 <= annotation["truncation"] < 1


def test_every_object_is_seen_and_some_twice(data: dict):
    views = Counter(
        (annotation["instance_token"], image) for annotation, image in _with_sample(data)
    )
    in_task = [thing for thing in THINGS if "debris" not in thing.category]
    assert len(views) == sum(len(thing.keyframes) for thing in in_task)
    assert max(views.values()) == 2


def _with_sample(data: dict):
    samples = {image["id"]: image["token"] for image in data["images"]}
    return [(annotation, samples[annotation["image_id"]]) for annotation in data["annotations"]]


def test_cut_boxes_are_truncated(data: dict):
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        inside = x > 0 and y > 0 and x + width < 1600 and y + height < 900
        assert (annotation["truncation"] > 1e-9) != inside


def test_the_files_are_strict_json(database: Path):
    def refuse(name: str):
        raise AssertionError(f"{name} is not JSON")

    for path in database.glob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)


def test_the_files_say_what_they_are(database: Path):
    for split in ("train", "val"):
        data = annotation_file.read_annotations(
            database / annotation_file.file_name(split, VERSION)
        )
        assert data["info"] == dict(
            schema=annotation_file.SCHEMA, version=VERSION, split=f"mini_{split}"
        )


def test_names_of_the_files():
    assert (
        annotation_file.file_name("val", "v1.0-trainval") == "nuscenes_infos_val_mono3d.coco.json"
    )
    assert annotation_file.file_name("test", "v1.0-test") == "nuscenes_infos_test_mono3d.coco.json"


def test_mmdet3d_reads_the_files_and_finds_the_same_boxes(database: Path, make_dataset):
    ours = make_dataset("train")
    theirs = NuScenesMonoDataset(str(database), ours.ann_file, [], version=VERSION, test_mode=True)
    assert len(theirs) == len(ours)
    for index in range(len(ours)):
        a, b = ours.get_ann_info(index), theirs.get_ann_info(index)
        np.testing.assert_array_equal(
            a["gt_bboxes_3d"].tensor[:, :7], b["gt_bboxes_3d"].tensor[:, :7]
        )
        np.testing.assert_array_equal(
            a["gt_bboxes_3d"].tensor[:, 7:].nan_to_num(0), b["gt_bboxes_3d"].tensor[:, 7:]
        )
        np.testing.assert_allclose(a["centers2d"], b["centers2d"], rtol=1e-4)
        for key in ("bboxes", "labels", "attr_labels"):
            np.testing.assert_allclose(
                a[key], b[key], rtol=1e-6
            )  # they add corner and extent in float64


@pytest.fixture
def tables(database: Path, tmp_path: Path) -> Path:
    """A copy of the tables alone that a test may change."""
    for name in (VERSION, "maps"):
        shutil.copytree(database / name, tmp_path / "data" / name)
    return tmp_path / "data"


def edit(root: Path, table: str, change) -> None:
    path = root / VERSION / f"{table}.json"
    rows = json.loads(path.read_text())
    change(rows)
    path.write_text(json.dumps(rows))


def test_a_split_without_scenes_is_skipped_and_named(
    tables: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    edit(tables, "scene", lambda rows: rows[1].update(name="scene-9999"))
    written = nuscenes_convert.write_annotation_files(tables, VERSION, tmp_path / "out")
    assert [path.name for path in written] == ["nuscenes_mini_infos_train_mono3d.coco.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [written[0].name]
    assert "mini_val" in capsys.readouterr().out


def test_no_known_scene_at_all(tables: Path, tmp_path: Path):
    edit(tables, "scene", lambda rows: [row.update(name="scene-9999") for row in rows])
    with pytest.raises(UserError, match="no scene"):
        nuscenes_convert.write_annotation_files(tables, VERSION, tmp_path)


@pytest.mark.parametrize(
    "name", ["../outside.jpg", "/etc/passwd", "samples/../../x.jpg", "..\\x.jpg", ""]
)
def test_file_names_may_not_leave_the_data_root(tables: Path, tmp_path: Path, name: str):
    edit(tables, "sample_data", lambda rows: rows[1].update(filename=name))
    with pytest.raises(UserError, match="data root"):
        nuscenes_convert.write_annotation_files(tables, VERSION, tmp_path / "out")


@pytest.mark.parametrize("table", nuscenes_convert.TABLES)
def test_a_missing_table_is_named(tables: Path, table: str):
    (tables / VERSION / f"{table}.json").unlink()
    with pytest.raises(UserError, match=rf"{table}\.json is missing"):
        nuscenes_convert.open_database(tables, VERSION)


def test_a_broken_table_and_a_missing_map_are_named(tables: Path):
    (tables / "maps" / "blank.png").unlink()
    with pytest.raises(UserError, match=r"blank\.png does not exist"):
        nuscenes_convert.open_database(tables, VERSION)
    (tables / VERSION / "scene.json").write_text('[{"token"')
    with pytest.raises(UserError, match="not JSON"):
        nuscenes_convert.open_database(tables, VERSION)


def test_an_interrupted_run_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "file.json"
    annotation_file.write_json(dict(old=True), path)

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(json, "dump", fail)
    with pytest.raises(KeyboardInterrupt):
        annotation_file.write_json(dict(old=False), path)
    assert json.loads(path.read_text()) == dict(old=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_ranges_and_classes_are_the_devkits():
    config = config_factory("detection_cvpr_2019")
    assert dict(nuscenes_classes.DETECTION_RANGE) == config.class_range
    assert set(nuscenes_classes.CLASSES) == set(config.class_names)
    assert set(nuscenes_classes.ADMITTED_ATTRIBUTES) == set(nuscenes_classes.CLASSES)


def test_the_factory_uses_scenes_of_both_splits():
    splits = nuscenes_convert.create_splits_scenes()
    assert SCENES[0].name in splits["mini_train"] and SCENES[1].name in splits["mini_val"]
