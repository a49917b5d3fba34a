"""Pictures of other cameras, seen through the camera of a network."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from mmdet3d.datasets.pipelines import Compose
from pyquaternion import Quaternion

from epropnp_det.detection.baselines.fcos3d_inputs import AddFCOS3DInputs
from epropnp_det.detection.boxes import from_mmdet3d
from epropnp_det.detection.data import pipelines
from epropnp_det.detection.data.canonical_camera import (
    CanonicalCamera,
    RenderView,
    WarpToCanonicalCamera,
    WarpToRandomCamera,
)
from epropnp_det.detection.data.transforms import (
    CropAroundObject,
    CropImage,
    FlipImage,
    LoadCameraAnnotations,
    LoadCameraImage,
    ResizeImage,
)
from epropnp_det.detection.level_frame import rotation_of_tilt
from epropnp_det.detection.structures.lidar import ImagePoints, LidarPoints, ObjectPoints
from epropnp_det.engine.lens import Lens
from epropnp_det.errors import UserError
from tests.tolerances import CENTROID, EXACT, EXACT_FLOAT32

# A network that trained on pictures of 640x480.
CAMERA = dict(
    size=(640, 480), focal=(400.0, 440.0), principal_x=(300.0, 340.0), principal_y=(230.0, 250.0)
)
CROP = (0, 60, 640, 480)
OWN = [[420.0, 0.0, 318.7], [0.0, 421.0, 241.2], [0.0, 0.0, 1.0]]
OTHERS = {
    "half": ((320, 240), [[210.0, 0, 159.0], [0, 210.0, 120.0], [0, 0, 1]]),
    "large": ((1280, 960), [[840.0, 0, 640.0], [0, 840.0, 480.0], [0, 0, 1]]),
    "portrait": ((480, 640), [[500.0, 0, 240.0], [0, 500.0, 320.0], [0, 0, 1]]),
    "wide angle": ((640, 480), [[300.0, 0, 320.0], [0, 300.0, 240.0], [0, 0, 1]]),
    "telephoto": ((640, 480), [[800.0, 0, 320.0], [0, 800.0, 240.0], [0, 0, 1]]),
    "oblong pixels": ((640, 480), [[420.0, 0, 320.0], [0, 360.0, 220.0], [0, 0, 1]]),
    "skew": ((640, 480), [[420.0, 5.0, 320.0], [0, 420.0, 240.0], [0, 0, 1]]),
}
TILTS = {"level": (0.0, 0.0), "up": (8.0, 0.0), "down": (-9.0, 0.0), "rolled": (3.0, -5.0)}
BOX = [0.3, 0.4, 9.0, 4.2, 1.6, 1.8, 0.7, 3.0, -2.0]  # gravity centre, l h w, yaw, velocity


def make_results(matrix: list, size: tuple[int, int], tilt: tuple[float, float]) -> dict:
    """A picture with a smooth spot around the projected centre of its one box."""
    center = np.array(matrix) @ BOX[:3]
    center = center[:2] / center[2]
    x = np.arange(size[0]) + 0.5
    y = np.arange(size[1]) + 0.5
    width = 6.0 * matrix[0][0] / 420
    spot = np.exp(-((x - center[0]) ** 2 + (y[:, None] - center[1]) ** 2) / (2 * width**2))
    info = dict(
        bboxes=np.array([[*(center - 60), *(center + 60)]], dtype=np.float32),
        gt_bboxes_3d=CameraInstance3DBoxes([BOX], box_dim=9, origin=(0.5, 0.5, 0.5)),
        gt_labels_3d=np.array([4]),
        attr_labels=np.array([6]),
        visibility=np.array([3]),
        truncation=np.array([0.0], dtype=np.float32),
    )
    image = np.repeat((255 * spot)[..., None], 3, axis=2).astype(np.float32)
    level = rotation_of_tilt(*tilt).tolist()
    results = LoadCameraImage()(
        dict(img=image, img_info=dict(cam_intrinsic=matrix, level_rotation=level), ann_info=info)
    )
    results = LoadCameraAnnotations()(results)
    x2d = torch.tensor(center[None], dtype=torch.float32)
    owner = torch.zeros(1, dtype=torch.long)
    return results | dict(
        lidar_points=LidarPoints(
            ObjectPoints(owner, torch.zeros(1, 3), x2d),
            ImagePoints(owner, x2d, torch.tensor([BOX[2]])),
        )
    )


def run(steps: list, results: dict) -> dict:
    for step in steps:
        results = step(results)
    return results


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(np.float64)
    x = np.arange(weight.shape[1]) + 0.5
    y = np.arange(weight.shape[0]) + 0.5
    return np.array([weight.sum(0) @ x, weight.sum(1) @ y]) / weight.sum()


def assert_all_follow(results: dict) -> None:
    """Picture, camera, boxes and LiDAR points agree where the centre of the box is."""
    pose = from_mmdet3d(results["gt_bboxes_3d"])[0]
    pixel = results["camera"].project(pose[:, :3])[0].numpy()
    on_black = replace(results["view"], fill=(0.0, 0.0, 0.0))
    drawn = RenderView()(results | dict(view=on_black))
    np.testing.assert_allclose(centroid(drawn["img"]), pixel, atol=CENTROID)
    assert drawn["img"].shape == results["img_shape"] == results["view"].shape
    points = results["lidar_points"]
    np.testing.assert_allclose(points.objects.x2d[0], pixel, rtol=EXACT_FLOAT32)
    np.testing.assert_allclose(points.image.x2d[0], pixel, rtol=EXACT_FLOAT32)
    np.testing.assert_allclose(points.image.depth, pose[:, 2], rtol=EXACT_FLOAT32)
    left, top, right, bottom = results["gt_bboxes"][0]
    assert left < pixel[0] < right and top < pixel[1] < bottom


def test_a_picture_of_an_own_camera_keeps_every_bit():
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    warped = run([WarpToCanonicalCamera(CAMERA, CROP), FlipImage(1.0), RenderView()], results)
    cropped = run([CropImage(CROP), FlipImage(1.0)], results)
    assert warped.keys() == cropped.keys()
    np.testing.assert_array_equal(warped["img"], cropped["img"])
    assert torch.equal(warped["camera"].matrix, cropped["camera"].matrix)
    np.testing.assert_array_equal(warped["gt_bboxes"], cropped["gt_bboxes"])


@pytest.mark.parametrize("tilt", TILTS)
@pytest.mark.parametrize("name", OTHERS)
def test_all_follow_another_camera(name: str, tilt: str):
    size, matrix = OTHERS[name]
    steps = [WarpToCanonicalCamera(CAMERA, CROP), ResizeImage(0.5), FlipImage(1.0)]
    assert_all_follow(run(steps, make_results(matrix, size, TILTS[tilt])))


@pytest.mark.parametrize("name", OTHERS)
def test_the_camera_lies_in_the_canonical_ranges(name: str):
    size, matrix = OTHERS[name]
    camera = CanonicalCamera(**CAMERA)
    found = camera.intrinsics(np.array(matrix), size)
    assert camera.focal[0] <= found[0, 0] <= camera.focal[1]
    assert camera.principal_x[0] <= found[0, 2] <= camera.principal_x[1]
    assert camera.principal_y[0] <= found[1, 2] <= camera.principal_y[1]
    # Seen again, it is one of the network's own.
    np.testing.assert_allclose(camera.intrinsics(found, camera.size), found, rtol=EXACT)


def test_a_kept_focal_length_stays():
    camera = CanonicalCamera(**CAMERA, kept_focal=((290.0, 310.0),))
    size, matrix = OTHERS["wide angle"]
    assert camera.intrinsics(np.array(matrix), size)[0, 0] == matrix[0][0]
    assert CanonicalCamera(**CAMERA).intrinsics(np.array(matrix), size)[0, 0] == 400


@pytest.mark.parametrize("tilt", TILTS)
def test_a_wide_picture_extends_the_view(tilt: str):
    size, matrix = OTHERS["wide angle"]
    results = make_results(matrix, size, TILTS[tilt])
    narrow = WarpToCanonicalCamera(CAMERA, CROP)(results)
    wide = WarpToCanonicalCamera(CAMERA | dict(widest=900), CROP)(results)
    assert narrow["img_shape"][1] == 640
    assert wide["img_shape"][1] > 840
    assert_all_follow(ResizeImage(0.5)(wide))
    limits = wide["camera"].clip_max - wide["camera"].clip_min
    assert limits[0] == wide["img_shape"][1] + 400
    # A picture that the view shows whole is the same.
    usual = make_results(OTHERS["half"][1], OTHERS["half"][0], TILTS[tilt])
    steps = [WarpToCanonicalCamera(CAMERA | dict(widest=widest)) for widest in (640, 900)]
    views = [step(usual)["view"] for step in steps]
    if tilt == "level":
        assert views[0].size == views[1].size
        np.testing.assert_array_equal(views[0].target, views[1].target)


@pytest.mark.parametrize("tilt", TILTS)
def test_the_warp_of_a_projection_is_the_projection_of_the_warped_camera(tilt: str):
    size, matrix = OTHERS["wide angle"]
    results = make_results(matrix, size, TILTS[tilt])
    warped = WarpToCanonicalCamera(CAMERA, CROP)(results)
    level = rotation_of_tilt(*TILTS[tilt]).numpy()
    points = np.random.default_rng(0).uniform((-2, -1, 5), (2, 1, 20), (50, 3))
    pixels = points @ np.array(matrix).T @ warped["view"].homography.T
    camera = warped["camera"].to(torch.float64)
    ours = camera.each_point().project(torch.from_numpy(points @ level.T))
    np.testing.assert_allclose(ours, pixels[:, :2] / pixels[:, 2:], rtol=EXACT_FLOAT32)


@pytest.mark.parametrize("seed", range(8))
def test_all_follow_a_random_camera(seed: int):
    random.seed(seed)
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    steps = [
        WarpToRandomCamera(CAMERA, CROP, sizes=[(640, 480), (500, 400)], identity=0.0),
        CropAroundObject((300, 200)),
        ResizeImage(0.5),
        FlipImage(0.5),
    ]
    assert_all_follow(run(steps, results))


def test_a_random_camera_leaves_the_ground_truth_in_the_level_frame():
    random.seed(0)
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    warped = WarpToRandomCamera(CAMERA, CROP, identity=0.0)(results)
    before = results["gt_bboxes_3d"].tensor
    torch.testing.assert_close(warped["gt_bboxes_3d"].tensor, before)
    fcos3d = AddFCOS3DInputs()(RenderView()(warped))
    matrix = np.array(fcos3d["cam2img"])
    u, v = fcos3d["centers2d"][0]
    point = np.linalg.inv(matrix) @ np.array([u, v, 1]) * fcos3d["depths"][0]
    np.testing.assert_allclose(point, BOX[:3], rtol=EXACT_FLOAT32)


def test_no_change_of_the_camera_is_the_canonical_camera():
    results = make_results(OTHERS["wide angle"][1], (640, 480), (2.0, 1.0))
    plain = WarpToCanonicalCamera(CAMERA, CROP)(results)
    unchanged = WarpToRandomCamera(CAMERA, CROP, identity=1.0)(results)
    np.testing.assert_array_equal(unchanged["view"].target, plain["view"].target)
    still = WarpToRandomCamera(
        CAMERA, CROP, focal_scale=(1.0, 1.0), pitch=0.0, roll=0.0, identity=0.0
    )
    np.testing.assert_array_equal(still(results)["view"].target, plain["view"].target)


def test_what_the_picture_does_not_cover_is_padding():
    results = make_results(OTHERS["portrait"][1], (480, 640), (0.0, 6.0))
    warp = dict(type="WarpToCanonicalCamera", camera=CAMERA)
    steps = Compose([warp, pipelines.RENDER, pipelines.NORMALIZE])
    drawn = steps(results | dict(img=np.full((640, 480, 3), 255.0, np.float32)))["img"]
    uncovered = np.abs(drawn).max(axis=2) < 1e-4
    assert 0.01 < uncovered.mean() < 0.5
    # Padding to the right and below needs no filled columns or rows on a level picture.
    level = results | dict(img_info=dict(results["img_info"], level_rotation=np.eye(3)))
    whole = steps(level | dict(img=np.full((640, 480, 3), 255.0, np.float32)))["img"]
    assert (np.abs(whole).max(axis=2) > 1).all()


def test_rectangles_and_truncation_are_those_of_what_is_shown():
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    whole = WarpToCanonicalCamera(CAMERA | dict(focal=(200.0, 200.0)))(results)
    assert whole["truncation"][0] < 1e-6
    # The box ends where the picture ends, though the view goes on.
    moved = results["gt_bboxes_3d"].clone()
    moved.tensor[:, 0] -= 6.6
    cut = WarpToCanonicalCamera(CAMERA | dict(focal=(200.0, 200.0)))(
        results | dict(gt_bboxes_3d=moved)
    )
    assert 0.2 < cut["truncation"][0] < 0.8
    assert cut["gt_bboxes"][0, 0] == pytest.approx(0.0, abs=1.0)


def test_a_camera_that_looks_away_from_the_view_is_refused():
    results = make_results(OWN, (640, 480), (85.0, 0.0))
    with pytest.raises(UserError, match="shows nothing of image"):
        WarpToCanonicalCamera(CAMERA, CROP)(results)


@pytest.mark.parametrize(
    "fault",
    [
        dict(focal=(440.0, 400.0)),
        dict(size=(0, 480)),
        dict(kept_focal=((2.0, 1.0),)),
        dict(widest=600),
    ],
)
def test_wrong_settings_are_refused(fault: dict):
    with pytest.raises(ValueError, match="must be"):
        CanonicalCamera(**(CAMERA | fault))


def test_the_mounting_of_a_camera_gives_its_tilt():
    """Extrinsics to a frame with z up contain the tilt of the camera, whatever its heading."""
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    upright = Quaternion([0.5, -0.5, 0.5, -0.5])  # forward along x of a vehicle, z up
    turned = Quaternion(axis=(0, 0, 1), degrees=40) * upright
    tilted = turned * Quaternion(matrix=rotation_of_tilt(-3.0, 2.0).numpy())
    info = dict(
        cam_intrinsic=OWN,
        cam2ego_rotation=list(tilted),
        cam2ego_translation=[0.0] * 3,
        ego2global_rotation=[1.0, 0.0, 0.0, 0.0],
        ego2global_translation=[0.0] * 3,
    )
    for level_by in ("ego", "global"):
        step = WarpToCanonicalCamera(CAMERA, CROP, level_by=level_by)
        found = step(results | dict(img_info=info))["level_rotation"]
        np.testing.assert_allclose(found, rotation_of_tilt(-3.0, 2.0), rtol=0, atol=EXACT)
    with pytest.raises(ValueError, match="level_by must be one of"):
        WarpToCanonicalCamera(CAMERA, CROP, level_by="road")


def test_a_lens_of_an_annotation_file_is_undone():
    results = make_results(OWN, (640, 480), (0.0, 0.0))
    lens = Lens(np.array(OWN), (-0.2, 0.05, 0.0, 0.0, 0.0))
    x, y = lens.project(np.array([BOX[:3]]))[0]
    across = np.arange(640) + 0.5 - x
    down = np.arange(480)[:, None] + 0.5 - y
    spot = 255 * np.exp(-(across**2 + down**2) / (2 * 4.0**2))[..., None].repeat(3, 2)
    info = dict(cam_intrinsic=OWN, distortion=list(lens.distortion))
    taken = results | dict(img=spot.astype(np.float32), img_info=info)
    assert_all_follow(WarpToCanonicalCamera(CAMERA, CROP)(taken))


def test_both_detectors_train_on_random_cameras(make_dataset):
    for fcos3d in (False, True):
        dataset = make_dataset(pipeline=[])
        steps = pipelines.make_train_pipeline(
            dataset.CLASSES,
            crop=None,
            scale=0.5,
            window=(320, 256),
            fcos3d=fcos3d,
            canonical=pipelines.NUSCENES_CAMERA,
            random_camera=dict(identity=0.5),
        )
        random.seed(0)
        training = make_dataset(pipeline=steps, test_mode=False)
        items = [training[index] for index in range(4)]
        assert all(len(item["gt_labels_3d"].data) for item in items)
        assert all(max(item["img"].data.shape[1:]) <= 160 for item in items)
