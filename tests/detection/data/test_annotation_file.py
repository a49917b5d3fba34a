"""What is not an annotation file is refused in one line that names file, key and remedy; mmdet3d's
files are read.
"""

from __future__ import annotations

import copy
import functools
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from epropnp_det.detection.data import annotation_file
from epropnp_det.errors import UserError
from tests.tolerances import UPRIGHT_TRUNCATION

OURS_ONLY = ("visibility", "truncation", "velocity_known", "num_lidar_pts", "instance_token")


@pytest.fixture(scope="module")
def good(database: Path) -> dict:
    return json.loads((database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())


def as_mmdet3d(data: dict) -> dict:
    """The same content as mmdet3d's converter writes it: fewer keys, the LiDAR's pose for all
    cameras, NaN for unknown velocity.
    """
    lidar = {image["token"]: image["range_origin"] for image in data["images"]}
    images = [dict(image, ego2global_translation=lidar[image["token"]]) for image in data["images"]]
    annotations = [
        dict(
            annotation,
            velo_cam3d=annotation["velo_cam3d"]
            if annotation["velocity_known"]
            else [math.nan, math.nan],
        )
        for annotation in data["annotations"]
    ]
    return dict(
        images=[
            {key: value for key, value in image.items() if key != "range_origin"}
            for image in images
        ],
        annotations=[
            {key: value for key, value in annotation.items() if key not in OURS_ONLY}
            for annotation in annotations
        ],
        categories=data["categories"],
    )


def write(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def without(name: str, key: str):
    def change(data: dict) -> None:
        del data[name][3][key]

    return change


def scale_lengths(annotation: dict, factor: float) -> None:
    box = annotation["bbox_cam3d"]
    annotation["bbox_cam3d"] = [factor * value for value in box[:6]] + box[6:]


def set_image(key: str, value: object):
    def change(data: dict) -> None:
        data["images"][0][key] = value

    return change


BROKEN = {
    "kitti-like: a list": (lambda data: data.clear(), "no list 'images'"),
    "no annotations": (lambda data: data.pop("annotations"), "no list 'annotations'"),
    "annotations of another kind": (
        lambda data: data.update(annotations={}),
        "no list 'annotations'",
    ),
    "no image": (lambda data: data.update(images=[]), "lists no image"),
    "plain COCO": (
        without("annotations", "bbox_cam3d"),
        r"annotations have the key 'bbox_cam3d': annotations\[3\] in .*: missing",
    ),
    "no camera": (
        without("images", "cam_intrinsic"),
        "images have the key 'cam_intrinsic': image samples/.*: missing",
    ),
    "no class": (
        lambda data: [data["annotations"][3].pop(key) for key in ("category_id", "category_name")],
        r"name a category, by category_id or category_name: annotations\[3\]: 'neither'",
    ),
    "no image of a box": (
        lambda data: [data["annotations"][3].pop(key) for key in ("image_id", "file_name")],
        r"name an image in the file, by image_id or file_name: annotations\[3\]: 'neither'",
    ),
    "half a size": (without("images", "width"), "both width and height, or neither"),
    "entry of another kind": (
        lambda data: data["annotations"].__setitem__(0, 5),
        r"annotations\[0\]",
    ),
    "two images of one id": (
        lambda data: data["images"][1].update(id=data["images"][0]["id"]),
        r"id of images is unique: images\[1\]",
    ),
    "one file in two images": (
        lambda data: data["images"][1].update(file_name=data["images"][0]["file_name"]),
        r"file_name of images is unique: images\[1\]",
    ),
    "two boxes of one id": (
        lambda data: data["annotations"][1].update(id=data["annotations"][0]["id"]),
        r"id of annotations is unique: annotations\[1\]",
    ),
    "two classes of one name": (
        lambda data: data["categories"][1].update(name="car"),
        r"name of categories is unique: categories\[1\]: 'car'",
    ),
    "millimetres": (
        lambda data: [scale_lengths(annotation, 1000) for annotation in data["annotations"]],
        "from 0.01 to 100 m",
    ),
    "kilometres": (
        lambda data: [scale_lengths(annotation, 1e-3) for annotation in data["annotations"]],
        "from 0.01 to 100 m",
    ),
    "degrees": (
        lambda data: data["annotations"][0]["bbox_cam3d"].__setitem__(6, 90.0),
        "the yaw of bbox_cam3d is in rad",
    ),
    "an infinite velocity": (
        lambda data: data["annotations"][0].update(velo_cam3d=[math.inf, 0.0]),
        "velo_cam3d is 2 numbers",
    ),
    "no translation": (set_image("cam2ego_translation", None), "cam2ego_translation is 3 finite"),
    "a later schema": (lambda data: data["info"].update(schema="epropnp_det/99"), "epropnp_det/99"),
    "a version that is no text": (
        lambda data: data["info"].update(version=[]),
        r"version of info is a text, not \[\]",
    ),
    "intrinsics": (set_image("cam_intrinsic", [1, 2, 3, 4]), "cam_intrinsic is a 3x3 matrix"),
    "a path out of the root": (
        set_image("file_name", "../../etc/passwd"),
        "relative to the data root",
    ),
    "an unknown image": (
        lambda data: data["annotations"][2].update(image_id="nobody"),
        r"id of an image in the file: annotations\[2\]: 'nobody'",
    ),
    "an unknown category": (
        lambda data: data["annotations"][2].update(category_id=77),
        r"id of a category in the file: annotations\[2\]: 77",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_another_schema_is_refused(good: dict, tmp_path: Path, name: str):
    change, message = BROKEN[name]
    data = copy.deepcopy(good)
    change(data)
    path = write(tmp_path / "broken.json", data)
    with pytest.raises(UserError, match=message) as error:
        annotation_file.read_annotations(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_all_that_is_missing_is_in_one_message(good: dict, tmp_path: Path):
    data = copy.deepcopy(good)
    for annotation in data["annotations"]:
        del annotation["bbox_cam3d"]
    for image in data["images"]:
        del image["cam_intrinsic"]
    number = len(data["annotations"]) - 1
    with pytest.raises(UserError) as error:
        annotation_file.read_annotations(write(tmp_path / "broken.json", data))
    assert "images have the key 'cam_intrinsic'" in str(error.value)
    assert "annotations have the key 'bbox_cam3d'" in str(error.value)
    assert f"missing (and {number} more)" in str(error.value)


def test_what_is_not_json_is_refused(tmp_path: Path):
    for content in (b"\x80\x04\x95pickle", b"", b"{'a': 1}", b"\xff\xfe"):
        (tmp_path / "infos.pkl").write_bytes(content)
        with pytest.raises(UserError, match=r"infos\.pkl is not JSON"):
            annotation_file.read_annotations(tmp_path / "infos.pkl")


def test_brackets_in_brackets_are_refused_with_their_place(good: dict, tmp_path: Path):
    path = tmp_path / "deep.json"
    path.write_text('{"images":\n ' + "[" * 100_000)
    with pytest.raises(UserError, match=r"deep\.json is nested too deeply: line 2, column 33 "):
        annotation_file.read_annotations(path)
    nested = functools.reduce(lambda value, _: [value], range(60), 0)
    for name in ("images", "annotations", "categories"):
        data = copy.deepcopy(good)
        data[name][0]["more"] = nested
        rule = f"the values of {name} are at most 32 deep in each other: .*{name[:5]}"
        with pytest.raises(UserError, match=rule):
            annotation_file.read_annotations(write(path, data))
    with pytest.raises(UserError, match=r"deep\.json has keys that are nested too deeply"):
        annotation_file.read_annotations(write(path, dict(good, more=nested)))


def test_a_number_of_thousands_of_digits_is_named_by_its_key(good: dict, tmp_path: Path):
    path = write(tmp_path / "long.json", good)
    text = path.read_text()
    assert '"visibility": ' in text
    for digits in (400, 5000):
        path.write_text(text.replace('"visibility": ', '"visibility": ' + "9" * digits, 1))
        rule = r"visibility is a whole number from 1 to 4: annotations\[0\] in .*: inf"
        with pytest.raises(UserError, match=rule):
            annotation_file.read_annotations(path)


def test_too_many_boxes_in_an_image_are_refused(good: dict, tmp_path: Path):
    box = {key: value for key, value in good["annotations"][0].items() if key != "id"}
    data = dict(good, annotations=[box] * (annotation_file.MAX_BOXES_PER_IMAGE + 1))
    faults = list(annotation_file.find_record_faults(data))
    assert [fault.rule for fault in faults] == ["an image has at most 9999 boxes"]
    assert str(box["image_id"]) in faults[0].where and faults[0].found == "10000 boxes"
    data["annotations"].pop()
    assert not list(annotation_file.find_record_faults(data))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"cannot be read: No such file.*create_data"):
        annotation_file.read_annotations(tmp_path / "nothing.json")
    with pytest.raises(UserError, match=r"is no regular file but a folder"):
        annotation_file.read_annotations(tmp_path)


def test_a_byte_order_mark_is_no_mistake(good: dict, tmp_path: Path):
    path = tmp_path / "with_mark.json"
    path.write_text(json.dumps(good), encoding="utf-8-sig")
    assert annotation_file.read_annotations(path) == good


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file cannot be a folder: File exists"):
        annotation_file.write_json({}, tmp_path / "file" / "x.json")


def test_files_of_mmdet3d_are_read_with_one_warning(good: dict, tmp_path: Path, make_dataset):
    path = write(tmp_path / "theirs.json", as_mmdet3d(good))
    with pytest.warns(UserWarning, match=r"LiDAR's ego pose.*no visibility") as caught:
        theirs = make_dataset(ann_file=str(path))
    assert len([warning for warning in caught if "ego pose" in str(warning.message)]) == 1
    ours = make_dataset()
    for index in range(len(ours)):
        a, b = ours.get_ann_info(index), theirs.get_ann_info(index)
        np.testing.assert_array_equal(
            a["gt_bboxes_3d"].tensor, b["gt_bboxes_3d"].tensor
        )  # NaN equals NaN here
        np.testing.assert_allclose(
            a["truncation"], b["truncation"], atol=UPRIGHT_TRUNCATION
        )  # theirs is upright in the tilted camera
        assert (b["visibility"] == 4).all()


def test_our_files_are_read_without_a_warning(make_dataset):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        make_dataset()


@pytest.mark.parametrize("unknown", [[None, None], [math.nan, math.nan]])
def test_null_and_nan_both_mean_unknown_velocity(
    good: dict, tmp_path: Path, make_dataset, unknown: list
):
    data = copy.deepcopy(good)
    data["annotations"][0].update(velo_cam3d=unknown)
    dataset = make_dataset(ann_file=str(write(tmp_path / "ours.json", data)))
    assert np.isnan(dataset.get_ann_info(0)["gt_bboxes_3d"].tensor[0, 7:]).all()


def test_labels_follow_the_names_of_the_categories_not_their_numbers(
    good: dict, tmp_path: Path, make_dataset
):
    data = copy.deepcopy(good)
    for category in data["categories"]:
        category["id"] = 100 - category["id"]
    for annotation in data["annotations"]:
        annotation["category_id"] = 100 - annotation["category_id"]
    shuffled = make_dataset(ann_file=str(write(tmp_path / "shuffled.json", data)))
    np.testing.assert_array_equal(
        shuffled.get_ann_info(0)["labels"], make_dataset().get_ann_info(0)["labels"]
    )
