"""LiDAR points of images: the devkit's geometry, files that survive interruption, steps that move
points with pixels.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config
from mmdet3d.datasets.pipelines import Compose
from nuscenes import NuScenes
from nuscenes.utils.geometry_utils import points_in_box, view_points
from pyquaternion import Quaternion

from epropnp_det.detection.data import lidar_files, nuscenes_convert
from epropnp_det.detection.data.load_lidar import LoadLidarPoints
from epropnp_det.detection.data.transforms import (
    CropImage,
    FilterObjects,
    FlipImage,
    LoadCameraAnnotations,
    LoadCameraImage,
    ResizeImage,
)
from epropnp_det.detection.detector import lidar_of
from epropnp_det.errors import UserError
from epropnp_det.pnp import YawPose
from tests.nuscenes_factory import VERSION
from tests.tolerances import STORED_PIXEL, STORED_POINT

from .test_image_transforms import run

CONFIGS = Path(__file__).parents[3] / "configs"
LOAD = [LoadCameraImage(), LoadCameraAnnotations(), LoadLidarPoints()]


@pytest.fixture(scope="module")
def lidar_database(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small database with sweeps that hit every object and the ground, and the files made from
    them.
    """
    root = tmp_path_factory.mktemp("lidar") / "data"
    shutil.copytree(database, root)
    nusc = NuScenes(VERSION, str(root), verbose=False)
    for sample in nusc.sample:
        record = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
        points = _to_sensor(nusc, record, _hits(nusc, sample))
        np.concatenate([points, np.zeros((len(points), 2))], axis=1).astype(np.float32).tofile(
            root / record["filename"]
        )
    nuscenes_convert.write_annotation_files(root, VERSION, lidar=True)
    return root


def _hits(nusc: NuScenes, sample: dict) -> np.ndarray:
    """Points (n, 3), global frame: in each box, next to it, and everywhere."""
    rng = np.random.default_rng(0)
    parts = [
        nusc.get_box(sample["anns"][0]).center + rng.uniform(-60, 60, (2000, 3)) * (1, 1, 0.02)
    ]
    for token in sample["anns"]:
        box = nusc.get_box(token)
        share = rng.uniform(-0.45, 0.45, (30, 3))
        share[20:, 0] = np.sign(share[20:, 0]) * rng.uniform(0.55, 0.7, 10)
        parts.append(box.center + (share * box.wlh[[1, 0, 2]]) @ box.rotation_matrix.T)
    return np.concatenate(parts)


def _to_sensor(nusc: NuScenes, record: dict, points: np.ndarray) -> np.ndarray:
    """From the global frame to that of a sensor, the devkit's way: one step after the other."""
    for table in ("ego_pose", "calibrated_sensor"):
        pose = nusc.get(table, record[f"{table}_token"])
        points = (points - pose["translation"]) @ Quaternion(pose["rotation"]).rotation_matrix
    return points


@pytest.fixture(scope="module")
def annotations(lidar_database: Path) -> dict:
    return json.loads((lidar_database / "nuscenes_mini_infos_train_mono3d.coco.json").read_text())


@pytest.fixture(scope="module")
def items(lidar_database: Path, make_dataset) -> list[dict]:
    """Images of a keyframe as the first steps of a pipeline leave them."""
    ann_file = lidar_database / "nuscenes_mini_infos_train_mono3d.coco.json"
    dataset = make_dataset(data_root=str(lidar_database), ann_file=str(ann_file))
    inputs = [
        dict(img_info=info, ann_info=dataset.get_ann_info(index), img_prefix=dataset.img_prefix)
        for index, info in enumerate(dataset.data_infos[:6])
    ]
    return [run(LOAD, item) for item in inputs]


def test_points_are_where_the_devkit_sees_them(lidar_database: Path, annotations: dict):
    nusc = NuScenes(VERSION, str(lidar_database), verbose=False)
    for image in annotations["images"]:
        stored = lidar_files.read_points(lidar_database / "object_points" / f"{image['id']}.npz")
        record = nusc.get("sample_data", image["id"])
        points = _to_sensor(nusc, record, _hits(nusc, nusc.get("sample", image["token"])))
        points = points[points[:, 2] >= lidar_files.MIN_DEPTH]
        expected = view_points(points.T, np.array(image["cam_intrinsic"]), normalize=True)[:2].T
        inside = ((expected >= 0) & (expected < (1600, 900))).all(axis=1)
        np.testing.assert_allclose(stored.x2d, expected[inside], atol=STORED_PIXEL)
        np.testing.assert_allclose(stored.depth, points[inside, 2], atol=STORED_POINT)
        for box, instance in _boxes_in_camera(nusc, record):
            if instance not in stored.instance:
                continue
            mine = set(stored.point[stored.instance[stored.owner] == instance].tolist())
            # Our boxes are upright in the camera, the devkit's on the ground: they differ near
            # their faces.
            surely, perhaps = (
                set(points_in_box(box, points[inside].T, factor).nonzero()[0].tolist())
                for factor in (0.93, 1.07)
            )
            assert surely <= mine <= perhaps and surely


def _boxes_in_camera(nusc: NuScenes, record: dict) -> list:
    """The devkit's boxes in the frame of a camera, each with its instance token."""
    boxes = [
        (box, nusc.get("sample_annotation", box.token)["instance_token"])
        for box in nusc.get_boxes(record["token"])
    ]
    for box, _ in boxes:
        for table in ("ego_pose", "calibrated_sensor"):
            pose = nusc.get(table, record[f"{table}_token"])
            box.translate(-np.array(pose["translation"]))
            box.rotate(Quaternion(pose["rotation"]).inverse)
    return boxes


def test_objects_are_hit_at_all(items: list[dict]):
    owned = sum(len(item["lidar_points"].objects.owner) for item in items)
    boxes = sum(len(item["gt_labels_3d"]) for item in items)
    assert owned > 10 * boxes > 0


def check(results: dict) -> None:
    """Object points projected with the box's pose and the camera are the pixels; so are image
    points.
    """
    points, camera, boxes = results["lidar_points"], results["camera"], results["gt_bboxes_3d"]
    pose = torch.cat((boxes.gravity_center, boxes.tensor[:, 6:7]), 1)[points.objects.owner]
    seen = YawPose.transform(pose, points.objects.x3d[:, None])[:, 0]
    torch.testing.assert_close(
        camera.each_point().project(seen), points.objects.x2d, rtol=0, atol=STORED_PIXEL
    )
    half = boxes.tensor[:, 3:6][points.objects.owner] / 2
    assert (points.objects.x3d.abs() <= half + STORED_POINT).all()
    height, width = results["img"].shape[:2]
    for pixel in (points.objects.x2d, points.image.x2d):
        assert ((pixel >= 0) & (pixel < torch.tensor([width, height]))).all()


STEPS = {
    "nothing": [],
    "crop": [CropImage((0, 228, 1600, 900))],
    "odd": [CropImage((3, 5, 1236, 870)), ResizeImage(0.37)],
    "flip": [FlipImage(1.0)],
    "flip the cropped": [CropImage((50, 60, 1200, 880)), FlipImage(1.0)],
    "crop the flipped": [FlipImage(1.0), CropImage((50, 60, 1200, 880))],
    "twice": [FlipImage(1.0), ResizeImage(0.5), FlipImage(1.0)],
    "filter": [
        CropImage((0, 228, 1600, 900)),
        FilterObjects(min_visibility=4, min_box_size=30.0),
        FlipImage(1.0),
    ],
    "all": [
        CropImage((0, 228, 1600, 900)),
        FilterObjects(),
        ResizeImage(0.5),
        FlipImage(1.0),
        CropImage((7, 0, 700, 300)),
    ],
}


@pytest.mark.parametrize("name", STEPS)
def test_projected_object_points_are_their_pixels_after_every_step(name: str, items: list[dict]):
    moved = [run(STEPS[name], item) for item in items]
    assert sum(len(results["lidar_points"].objects.owner) for results in moved) > 50
    for results in moved:
        check(results)


@pytest.mark.parametrize("name", STEPS)
def test_image_points_stay_the_points_they_were(name: str, items: list[dict]):
    for item in items[:4]:
        moved = run(STEPS[name], item)
        before, after = _unprojected(item), _unprojected(moved)
        if moved["flip"]:
            after = after * after.new_tensor((-1.0, 1.0, 1.0))
        nearest = torch.cdist(after, before).amin(1)
        assert len(after) > 100 and nearest.max() < 10 * STORED_POINT


def _unprojected(results: dict) -> torch.Tensor:
    points = results["lidar_points"].image
    homogeneous = torch.cat((points.x2d, torch.ones_like(points.depth)[:, None]), 1).double()
    return (
        points.depth[:, None]
        * torch.linalg.solve(results["camera"].matrix.double(), homogeneous.T).T
    )


def test_pixel_centres_at_whole_numbers_move_the_points_with_the_camera(items: list[dict]):
    for item in items[:3]:
        info = {key: item[key] for key in ("img_info", "ann_info", "img_prefix")}
        shifted = run([LoadCameraImage(first_pixel=0.0), *LOAD[1:], *STEPS["all"]], info)
        check(shifted)


def test_filtered_objects_take_their_points_along(items: list[dict]):
    for item in items:
        first = run([FilterObjects(min_visibility=4, max_truncation=1.0, min_box_size=0.0)], item)
        for new, old in enumerate(np.flatnonzero(item["visibility"] >= 4)):
            mine = [
                results["lidar_points"].objects.owner == number
                for results, number in ((first, new), (item, old))
            ]
            assert torch.equal(
                first["lidar_points"].objects.x3d[mine[0]],
                item["lidar_points"].objects.x3d[mine[1]],
            )


def test_steps_change_nothing_they_were_given(items: list[dict]):
    before = items[0]["lidar_points"].objects.x2d.clone()
    run(STEPS["all"], items[0])
    assert torch.equal(items[0]["lidar_points"].objects.x2d, before)


def test_points_need_all_boxes(items: list[dict]):
    with pytest.raises(UserError, match="right after LoadCameraAnnotations"):
        LoadLidarPoints()(run([FilterObjects(min_visibility=5)], items[0]))


@pytest.mark.parametrize(
    "name",
    [
        "detection/released/epropnp_det_v2.py",
        "detection/released/epropnp_det_v1b_220411.py",
        "detection/synthetic/auxiliary/all.py",
    ],
)
def test_pipelines_of_the_configs_hand_the_points_to_the_detector(name: str, items: list[dict]):
    pipeline = Config.fromfile(str(CONFIGS / name)).data.train.pipeline
    item = max(items, key=lambda item: len(item["gt_labels_3d"]))
    inputs = dict(
        img_info=item["img_info"],
        ann_info=item["ann_info"],
        img_prefix=item["img_prefix"],
        bbox3d_fields=[],
        img_fields=[],
    )
    result = Compose(pipeline)(inputs)
    points, labels = result["img_metas"].data["lidar_points"], result["gt_labels_3d"].data
    assert len(points.image.depth) > 100 and 0 < len(points.objects.owner.unique()) <= len(labels)
    kept = [torch.ones(len(labels), dtype=torch.bool)]
    assert len(lidar_of([result["img_metas"].data], kept).objects.owner) == len(
        points.objects.owner
    )


def test_interrupted_run_goes_on_and_processes_change_nothing(
    lidar_database: Path, annotations: dict, tmp_path: Path
):
    nusc = NuScenes(VERSION, str(lidar_database), verbose=False)
    first = lidar_database / "object_points"
    names = [f"{image['id']}.npz" for image in annotations["images"]]
    for name in names[:5]:
        shutil.copy(first / name, tmp_path / name)
    (tmp_path / names[0]).write_bytes(b"left alone")
    (tmp_path / f".{names[6]}.123").write_bytes(b"half a file")
    assert lidar_files.write_point_files(nusc, annotations, tmp_path, workers=2) == len(names) - 5
    assert (tmp_path / names[0]).read_bytes() == b"left alone"
    assert all((tmp_path / name).read_bytes() == (first / name).read_bytes() for name in names[1:])
    assert lidar_files.write_point_files(nusc, annotations, tmp_path, workers=1) == 0


def write_truncated(path: Path, stored: lidar_files.StoredPoints) -> None:
    lidar_files.write_points(stored, path)
    path.write_bytes(path.read_bytes()[:-300])


def write_without_depth(path: Path, stored: lidar_files.StoredPoints) -> None:
    np.savez(path, **{name: value for name, value in vars(stored).items() if name != "depth"})


def write_objects(path: Path, stored: lidar_files.StoredPoints) -> None:
    np.savez(path, **{**vars(stored), "instance": np.array([Path("a"), {}], dtype=object)})


def write_text(path: Path, stored: lidar_files.StoredPoints) -> None:
    path.write_text("not an archive")


def write_wrong_owner(path: Path, stored: lidar_files.StoredPoints) -> None:
    lidar_files.write_points(replace(stored, owner=stored.owner + 1000), path)


@pytest.mark.parametrize(
    "damage", [write_truncated, write_without_depth, write_objects, write_text, write_wrong_owner]
)
def test_damaged_file_is_named_with_the_remedy(damage, lidar_database: Path, tmp_path: Path):
    largest = max(
        (lidar_database / "object_points").glob("*.npz"), key=lambda path: path.stat().st_size
    )
    damage(tmp_path / "a.npz", lidar_files.read_points(largest))
    with pytest.raises(
        UserError, match=r"a\.npz .*delete the file and write it with tools/create_data\.py"
    ):
        lidar_files.read_points(tmp_path / "a.npz")


def test_missing_file(items: list[dict]):
    with pytest.raises(
        UserError,
        match=r"are missing; write it with tools/create_data\.py nuscenes DATAROOT --lidar",
    ):
        LoadLidarPoints("elsewhere")(items[0])


def test_missing_and_truncated_sweep(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read: No such file"):
        lidar_files.read_sweep(tmp_path / "a.pcd.bin")
    (tmp_path / "a.pcd.bin").write_bytes(bytes(4 * 7))
    with pytest.raises(UserError, match="is truncated"):
        lidar_files.read_sweep(tmp_path / "a.pcd.bin")
