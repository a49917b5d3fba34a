"""Optional keys are computed from the others, or unknown."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.annotation_completion import complete
from epropnp_det.detection.data.class_set import UNKNOWN_ATTRIBUTE
from epropnp_det.detection.data.frames import RigidTransform
from epropnp_det.detection.data.nuscenes_dataset import NuScenesCameraDataset
from epropnp_det.errors import UserError
from tests.tolerances import UPRIGHT_CORNER, UPRIGHT_TRUNCATION

MATRIX = [[500.0, 0.0, 320.0], [0.0, 500.0, 192.0], [0.0, 0.0, 1.0]]
SEEN = [0.0, 1.0, 12.0, 4.5, 1.5, 1.8, 0.3]
BESIDE = [60.0, 1.0, 12.0, 4.5, 1.5, 1.8, 0.3]


@pytest.fixture(scope="module")
def good(database: Path) -> dict:
    return json.loads((database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())


@pytest.fixture
def minimal(tmp_path: Path) -> dict:
    """A file with the mandatory keys alone; its two images are in `tmp_path`."""
    for index in range(2):
        Image.new("RGB", (640, 384)).save(tmp_path / f"{index}.png")
    return dict(
        images=[dict(file_name=f"{index}.png", cam_intrinsic=MATRIX) for index in range(2)],
        annotations=[
            dict(file_name="0.png", category_name="sedan", bbox_cam3d=SEEN),
            dict(file_name="1.png", category_name="walker", bbox_cam3d=SEEN),
            dict(file_name="1.png", category_name="sedan", bbox_cam3d=SEEN),
        ],
    )


def write(path: Path, data: dict) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_the_mandatory_keys_are_enough(minimal: dict, tmp_path: Path):
    path = write(tmp_path / "labels.json", minimal)
    dataset = NuScenesCameraDataset(
        str(tmp_path), str(path), pipeline=[], classes=("walker", "sedan"), test_mode=True
    )
    info = dataset.get_ann_info(1)
    assert info["labels"].tolist() == [0, 1]
    assert info["attr_labels"].tolist() == [UNKNOWN_ATTRIBUTE] * 2
    assert np.isnan(info["gt_bboxes_3d"].tensor[:, 7:]).all()
    assert (info["visibility"] == 4).all() and (info["truncation"] == 0).all()
    assert dataset.data_infos[0]["width"] == 640


def test_computed_keys_are_those_of_the_full_file(good: dict):
    """Up to the tilt of the cameras, which a box with a yaw alone does not have."""
    computed = ("bbox", "center2d", "truncation", "area")
    data = copy.deepcopy(good)
    for annotation in data["annotations"]:
        for key in computed:
            del annotation[key]
    done = complete(data)
    assert len(done["annotations"]) == len(good["annotations"])
    for ours, theirs in zip(done["annotations"], good["annotations"]):
        np.testing.assert_allclose(ours["bbox"], theirs["bbox"], atol=UPRIGHT_CORNER)
        np.testing.assert_allclose(ours["center2d"], theirs["center2d"], rtol=1e-9)
        np.testing.assert_allclose(
            ours["truncation"], theirs["truncation"], atol=UPRIGHT_TRUNCATION
        )


def test_complete_changes_nothing_that_is_there(good: dict, minimal: dict, tmp_path: Path):
    listed = copy.deepcopy(good)
    listed["categories"][0]["supercategory"] = "vehicle"
    for data in (good, listed, minimal):
        before = copy.deepcopy(data)
        done = complete(data, tmp_path)
        assert data == before
        assert complete(done) == done
        for name in ("images", "annotations", "categories"):
            for given, record in zip(data.get(name, ()), done[name]):
                assert given.items() <= record.items()


def test_a_box_that_its_image_does_not_show_is_left_out_and_counted(minimal: dict, tmp_path: Path):
    minimal["annotations"][1]["bbox_cam3d"] = BESIDE
    with pytest.warns(UserWarning, match="1 of 3 boxes are left out"):
        done = complete(minimal, tmp_path)
    assert [annotation["category_name"] for annotation in done["annotations"]] == ["sedan"] * 2


def test_the_default_camera_is_level_and_looks_forward(minimal: dict, tmp_path: Path):
    image = complete(minimal, tmp_path)["images"][0]
    rotation = RigidTransform.camera_to_global(image).rotation
    np.testing.assert_allclose(rotation @ (0, 0, 1), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(rotation @ (0, 1, 0), (0, 0, -1), atol=1e-12)


def test_ids_of_categories_count_only_where_they_are_listed(minimal: dict, tmp_path: Path):
    for annotation in minimal["annotations"]:
        annotation["category_id"] = 1
    names = ["sedan", "walker", "sedan"]
    done = complete(minimal, tmp_path)
    assert [annotation["category_name"] for annotation in done["annotations"]] == names
    minimal["categories"] = [dict(id=1, name="walker")]
    done = complete(minimal, tmp_path)
    assert [annotation["category_name"] for annotation in done["annotations"]] == ["walker"] * 3


@pytest.mark.parametrize(
    "keys, known",
    [
        (dict(attribute_id=2), True),
        (dict(attribute_id=None), False),
        (dict(attribute_id=2, attribute_known=False), False),
        (dict(), False),
    ],
)
def test_attributes_are_known_or_not(minimal: dict, tmp_path: Path, keys: dict, known: bool):
    minimal["annotations"][0].update(keys)
    assert complete(minimal, tmp_path)["annotations"][0]["attribute_known"] is known


def test_an_image_without_a_size_must_be_readable(minimal: dict, tmp_path: Path):
    with pytest.raises(UserError, match=r"0\.png has no width and height"):
        complete(minimal)
    (tmp_path / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match=r"0\.png is truncated"):
        complete(minimal, tmp_path)
    (tmp_path / "0.png").unlink()
    with pytest.raises(UserError, match=r"0\.png cannot be read"):
        complete(minimal, tmp_path)


def test_an_attribute_that_does_not_exist_is_named(good: dict, database: Path, tmp_path: Path):
    data = copy.deepcopy(good)
    data["annotations"][0]["attribute_id"] = 77
    path = write(tmp_path / "labels.json", data)
    with pytest.raises(UserError, match=r"attribute_id fits the class.*: 77 for a"):
        NuScenesCameraDataset(str(database), str(path), pipeline=[], test_mode=True)


def test_files_with_our_schema_are_ours(good: dict, minimal: dict):
    assert annotation_file.is_ours(good) and not annotation_file.has_lidar_poses(good)
    assert not annotation_file.is_ours(minimal) and not annotation_file.has_lidar_poses(minimal)
