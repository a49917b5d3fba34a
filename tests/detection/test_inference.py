"""`detect` on a file, the test loop over the dataset, and the submission have the same boxes."""

from __future__ import annotations

import copy
import json
import warnings
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from nuscenes.utils.data_classes import Box
from pyquaternion import Quaternion
from torch import nn

from epropnp_det.apis import detect, init_model
from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data import annotation_file
from epropnp_det.detection.data.canonical_camera import level_rotation_of
from epropnp_det.detection.data.image_view import ImageView
from epropnp_det.detection.data.nuscenes_classes import ATTRIBUTES, CLASSES, DETECTION_RANGE
from epropnp_det.detection.data.pipelines import NUSCENES_CAMERA, make_test_pipeline
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.engine.config import build_dataset, load_config, move_data_root
from epropnp_det.engine.intrinsics import camera_matrix
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.prediction import predict_dataset
from epropnp_det.errors import CameraWarning, OtherCameraWarning, UserError
from tests.nuscenes_factory import VERSION
from tests.tolerances import BOX_CENTER, EXACT, EXACT_FLOAT32, SAME_VIEW_SIGMAS

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/detection/synthetic/epropnp_r18_varied.py"
STREET = (1266.4, 1266.4, 816.3, 491.5)
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
    ("size", "intrinsics", "category", "fault"),
    [
        ((1242, 375), (721.5, 721.5, 609.6, 172.9), OtherCameraWarning, "sees 86%"),
        ((720, 1280), (800.0, 800.0, 360.0, 640.0), CameraWarning, "sees 33%"),
        ((800, 450), (1266.4, 1266.4, 816.3, 491.5), CameraWarning, "principal point"),
    ],
)
def test_an_image_of_another_camera_gives_a_warning(
    model, size: tuple[int, int], intrinsics: tuple[float, ...], category: type, fault: str
):
    with pytest.warns(category, match=fault):
        detect(model, np.zeros((*size[::-1], 3), np.uint8), intrinsics)


def test_an_image_of_an_own_camera_gives_none(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detect(model, np.zeros((900, 1600, 3), np.uint8), STREET)


@pytest.fixture(scope="module")
def street() -> np.ndarray:
    return cv2.imread(str(ROOT / "demo/street.jpg"))


@pytest.fixture(scope="module")
def seen_in_street(street: np.ndarray) -> tuple[nn.Module, Boxes3D]:
    """The shipped model and its confident detections in the street."""
    model = init_model(CONFIG, CONFIG.with_suffix(".pth"))
    return model, confident(detect(model, street, STREET))


def confident(found: Boxes3D) -> Boxes3D:
    return found[found.require("score") > 0.3]


def share_near(found: Boxes3D, expected: Boxes3D, distance: float) -> float:
    """Share of boxes that have another of their class so near [m] on the ground."""
    apart = torch.cdist(expected.pose[:, :3:2], found.pose[:, :3:2])
    other = expected.label[:, None] != found.label
    return float((apart.masked_fill(other, torch.inf).amin(1) < distance).float().mean())


def test_an_enlarged_image_has_the_same_detections(seen_in_street, street: np.ndarray):
    """Each pixel four times: the canonical camera averages them again."""
    model, expected = seen_in_street
    large = street.repeat(2, axis=0).repeat(2, axis=1)
    with pytest.warns(OtherCameraWarning, match="75%"):
        found = confident(detect(model, large, [2 * value for value in STREET]))
    assert len(expected) > 5
    torch.testing.assert_close(found.label, expected.label)
    assert expected.covariance is not None
    spread = expected.covariance.diagonal(dim1=1, dim2=2)[:, :3].sqrt()
    assert ((found.pose - expected.pose)[:, :3].abs() < SAME_VIEW_SIGMAS * spread).all()


@pytest.mark.parametrize("tilt", [(5.0, 0.0), (-6.0, 4.0)])
@pytest.mark.filterwarnings("ignore:the network sees")
def test_a_tilted_camera_finds_the_same_objects(
    seen_in_street, street: np.ndarray, tilt: tuple[float, float]
):
    model, expected = seen_in_street
    rotation = rotation_of_tilt(*tilt).numpy()
    matrix = camera_matrix(STREET)
    view = ImageView(street, Lens(matrix), matrix @ rotation.T, (1600, 900), (0.0, 0.0, 0.0))
    found = detect(model, view.render(), STREET, pitch=tilt[0], roll=tilt[1])
    assert share_near(found.in_level_frame(), expected, 1.0) > 0.7
    # In the frame of the camera they lie on the rays of their pixels.
    level = found.in_level_frame()
    back = level.pose[:, :3] @ torch.from_numpy(rotation).float()
    torch.testing.assert_close(back, found.pose[:, :3], rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32)
    by_matrix = detect(model, view.render(), STREET, rotation=rotation)
    torch.testing.assert_close(by_matrix.pose, found.pose)


def test_a_config_of_tilted_cameras_takes_one_without_a_tilt_as_level(
    seen_in_street, street: np.ndarray
):
    model, expected = seen_in_street
    other = copy.copy(model)
    other.cfg = copy.deepcopy(model.cfg)
    (warp,) = (s for s in other.cfg.data.test.pipeline if s["type"] == "WarpToCanonicalCamera")
    warp["level_by"] = "ego"
    found = confident(detect(other, street, STREET))
    torch.testing.assert_close(found.pose, expected.pose, rtol=0, atol=0)


@pytest.mark.parametrize("level_by", [None, "ego"])
def test_the_level_of_a_record_is_that_of_the_config(level_by: str | None):
    tilt = rotation_of_tilt(5.0, -3.0).numpy()
    down = Quaternion(matrix=np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]))
    turned = down * Quaternion(matrix=tilt)
    record = dict(cam2ego_rotation=turned.elements.tolist(), cam2ego_translation=[1.0, 0.0, 1.5])
    settings = dict(canonical=NUSCENES_CAMERA, level_by=level_by)
    found = level_rotation_of(record, make_test_pipeline(CLASSES, **settings))
    np.testing.assert_allclose(found, np.eye(3) if level_by is None else tilt, atol=EXACT)
    assert np.array_equal(level_rotation_of(record, make_test_pipeline(CLASSES)), np.eye(3))


@pytest.mark.filterwarnings("ignore:the network sees")
@pytest.mark.parametrize(
    "distortion", [(-0.2, 0.04, 0.001, -0.001, 0.0), (0.02, -0.01, 0.002, 0.0)]
)
def test_a_lens_with_distortion_finds_the_same_objects(
    seen_in_street, street: np.ndarray, distortion: tuple[float, ...]
):
    model, expected = seen_in_street
    lens = Lens(camera_matrix(STREET), distortion)
    y, x = np.mgrid[:900, :1600] + 0.5
    rays = lens.rays(np.stack([x.ravel(), y.ravel()], axis=1))
    pinhole = (rays @ lens.matrix.T)[:, :2] / rays[:, 2:] - 0.5
    taken = cv2.remap(
        street,
        *np.moveaxis(pinhole.reshape(900, 1600, 2), 2, 0).astype(np.float32),
        cv2.INTER_LINEAR,
    )
    found = detect(model, taken, STREET, distortion=distortion)
    assert share_near(found, expected, 1.0) > 0.7
    assert found.level_rotation is None


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (dict(rotation=np.ones((3, 3))), "is no rotation"),
        (dict(rotation=np.eye(3), pitch=2.0), "not both"),
        (dict(pitch=80.0), "must be within"),
        (dict(roll=float("nan")), "must be within"),
        (dict(distortion=(0.1, 0.2)), "distortion is"),
    ],
)
def test_a_wrong_tilt_or_lens_is_one_line(model, settings: dict, fault: str):
    with pytest.raises(UserError, match=fault):
        detect(model, np.zeros((900, 1600, 3), np.uint8), STREET, **settings)


def test_a_tilt_needs_a_canonical_camera(model):
    plain = copy.copy(model)
    plain.cfg = copy.deepcopy(model.cfg)
    plain.cfg.data.test.pipeline = make_test_pipeline(CLASSES)
    with pytest.raises(UserError, match="needs a canonical camera"):
        detect(plain, np.zeros((900, 1600, 3), np.uint8), STREET, pitch=5.0)
