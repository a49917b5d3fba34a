"""`detect` on a file, the test loop over the dataset, and the submission have the same boxes."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from nuscenes.utils.data_classes import Box
from pyquaternion import Quaternion

from epropnp_det.apis import detect, init_model
from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.nuscenes_classes import ATTRIBUTES, CLASSES, DETECTION_RANGE
from epropnp_det.engine.config import build_dataset, load_config, move_data_root
from epropnp_det.engine.prediction import predict_dataset
from epropnp_det.errors import CameraWarning
from tests.nuscenes_factory import VERSION
from tests.tolerances import BOX_CENTER

CONFIG = Path(__file__).parents[2] / "configs/detection/synthetic/epropnp_r18_varied.py"
IMAGE = 1


@pytest.fixture(scope="module")
def config(database: Path):
    """The shipped model on the small database; low thresholds, as its images are plain colours."""
    options = {"model.test_cfg.score_threshold": 1e-4, "model.test_cfg.max_queries": 24}
    config = move_data_root(load_config(CONFIG, options), database)
    config.data.test.ann_file = str(database / annotation_file.file_name("val", VERSION))
    # One camera per sample, and no suppression across cameras: boxes of the image alone.
    config.data.test.fusion = dict(nms_threshold=1.0)
    return config


@pytest.fixture(scope="module")
def model(config):
    return init_model(config, CONFIG.with_suffix(".pth"))


@pytest.fixture(scope="module")
def dataset(config):
    dataset = build_dataset(config.data.test, test_mode=True, config=config)
    dataset.data_infos = dataset.data_infos[IMAGE : IMAGE + 1]
    return dataset


@pytest.fixture(scope="module")
def found(model, dataset) -> Boxes3D:
    """Detections of the test loop."""
    (result,) = predict_dataset(model, dataset, workers=0, seed=0)
    return result


def test_detect_gives_the_boxes_of_the_test_loop(model, dataset, found: Boxes3D):
    info = dataset.data_infos[0]
    image = Path(dataset.img_prefix, info["filename"])
    single = detect(model, image, info["cam_intrinsic"], seed=0)
    assert len(found) > 5
    for field in fields(Boxes3D):
        expected = getattr(found, field.name)
        value = getattr(single, field.name)
        assert (value is None) == (expected is None), field.name
        if value is not None:
            torch.testing.assert_close(value, expected, rtol=0, atol=0, msg=field.name)


def test_simple_test_gives_the_boxes_of_the_test_loop(model, dataset, found: Boxes3D):
    item = dataset[0]
    image = item["img"].data[None]
    (result,) = model(img=image, img_metas=[item["img_metas"].data], return_loss=False)
    torch.testing.assert_close(result.pose, found.pose, rtol=0, atol=0)
    torch.testing.assert_close(result.score, found.score, rtol=0, atol=0)


def test_the_submission_has_the_boxes_in_the_global_frame(dataset, found: Boxes3D, tmp_path: Path):
    """The devkit's own boxes carry each detection from the camera to the ego and global frames."""
    info = dataset.data_infos[0]
    expected = []
    for index in range(len(found)):
        box = devkit_box(found, index, info)
        reach = DETECTION_RANGE[CLASSES[found.label[index]]]
        if np.linalg.norm((box.center - info["range_origin"])[:2]) < reach:
            expected.append((index, box))
    path, _ = dataset.format_results([found], str(tmp_path))
    (records,) = json.loads(path.read_text())["results"].values()
    assert len(records) == len(expected) > 3
    for record, (index, box) in zip(records, expected):
        assert record["detection_name"] == CLASSES[found.label[index]]
        assert record["detection_score"] == found.score[index].double().item()
        assert record["attribute_name"] == ATTRIBUTES[found.attribute[index]].replace("none", "")
        np.testing.assert_allclose(record["translation"], box.center, atol=BOX_CENTER)
        np.testing.assert_allclose(record["size"], box.wlh, atol=BOX_CENTER)
        rotation = Quaternion(record["rotation"]).rotation_matrix
        np.testing.assert_allclose(rotation, box.rotation_matrix, atol=BOX_CENTER)


def devkit_box(found: Boxes3D, index: int, info: dict) -> Box:
    """A detection as the devkit's box in the global frame."""
    x, y, z, yaw = found.pose[index].double().tolist()
    length, height, width = found.size[index].double().tolist()
    # A box that heads along x with its top up: a quarter turn about x takes the devkit's z to -y.
    upright = Quaternion(axis=(1, 0, 0), degrees=90)
    turned = Quaternion(axis=(0, 1, 0), radians=yaw) * upright
    box = Box([x, y, z], [width, length, height], turned)
    for frame in ("cam2ego", "ego2global"):
        box.rotate(Quaternion(info[f"{frame}_rotation"]))
        box.translate(np.array(info[f"{frame}_translation"]))
    return box


@pytest.mark.parametrize(
    ("size", "intrinsics", "fault"),
    [
        ((1242, 375), (721.5, 721.5, 609.6, 172.9), "sees 39%"),
        ((800, 450), (1266.4, 1266.4, 816.3, 491.5), "principal point"),
    ],
)
def test_an_image_of_another_camera_gives_a_warning(
    model, size: tuple[int, int], intrinsics: tuple[float, ...], fault: str
):
    with pytest.warns(CameraWarning, match=fault):
        detect(model, np.zeros((*size[::-1], 3), np.uint8), intrinsics)
