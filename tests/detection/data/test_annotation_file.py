"""What is not an annotation file is refused in one line that names file, key and remedy; mmdet3d's
files are read.
"""

from __future__ import annotations

import copy
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
        r"annotations\[3\] has no key 'bbox_cam3d'",
    ),
    "no pose": (
        without("images", "ego2global_rotation"),
        r"images\[3\] has no key 'ego2global_rotation'",
    ),
    "ours without ours": (without("annotations", "visibility"), "no key 'visibility'"),
    "entry of another kind": (
        lambda data: data["annotations"].__setitem__(0, 5),
        r"annotations\[0\]",
    ),
    "a later schema": (lambda data: data["info"].update(schema="epropnp_det/99"), "epropnp_det/99"),
    "intrinsics": (set_image("cam_intrinsic", [1, 2, 3, 4]), "not a 3x3 matrix"),
    "a path out of the root": (set_image("file_name", "../../etc/passwd"), "leaves the data root"),
    "an unknown image": (
        lambda data: data["annotations"][2].update(image_id="nobody"),
        r"annotations\[2\] has image_id 'nobody'",
    ),
    "an unknown category": (
        lambda data: data["annotations"][2].update(category_id=77),
        "category_id 77",
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


def test_what_is_not_json_is_refused(tmp_path: Path):
    for content in (b"\x80\x04\x95pickle", b"", b"{'a': 1}"):
        (tmp_path / "infos.pkl").write_bytes(content)
        with pytest.raises(UserError, match=r"infos\.pkl is not JSON"):
            annotation_file.read_annotations(tmp_path / "infos.pkl")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"not found.*create_data"):
        annotation_file.read_annotations(tmp_path / "nothing.json")
    with pytest.raises(UserError, match="cannot be read"):
        annotation_file.read_annotations(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
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
