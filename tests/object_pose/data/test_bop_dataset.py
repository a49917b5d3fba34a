"""The reader of BOP data sets, and the mistakes that the check finds."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh

from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import UserError
from epropnp_det.object_pose.data import bop_dataset
from epropnp_det.object_pose.data.bop_check import check_dataset
from epropnp_det.object_pose.data.detection_file import (
    Detection,
    find_detection_faults,
    read_detections,
    write_detections,
)
from epropnp_det.object_pose.data.object_models import load_models
from epropnp_det.object_pose.evaluation.bop_recalls import evaluate
from epropnp_det.object_pose.evaluation.bop_results import BopResult
from tests import tolerances
from tests.object_pose import bop_factory

SCENE = Path("test/000003")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bop_factory.write_dataset(tmp_path_factory.mktemp("bop"))


@pytest.fixture
def damaged(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "damaged"))


def change(path: Path, edit: Callable[[object], object]) -> None:
    """Writes a JSON file again after `edit`."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_units_and_pixel_centres(dataset: Path):
    images = bop_dataset.read_split(dataset, "test")
    assert [image.image_id for image in images] == list(bop_factory.IMAGES)
    image = images[0]
    assert image.size == bop_factory.SIZE and image.scene_id == bop_factory.SCENE
    assert image.camera_matrix.tolist() == [[150, 0, 80], [0, 150, 60], [0, 0, 1]]
    places = [instance.pose.translation for instance in image.instances]
    assert np.abs(np.array(places) * 1e3 - list(bop_factory.PLACES.values())).max() < 1e-9
    pixels = bop_dataset.read_image(image)
    assert pixels.shape == (120, 160, 3) and pixels[0, 0].tolist() == [90, 40, 200]


def test_boxes_span_the_pixels_of_the_masks(dataset: Path):
    for image in bop_dataset.read_split(dataset, "test"):
        for instance in image.instances:
            for visible, box in ((False, instance.box), (True, instance.visible_box)):
                mask = bop_dataset.read_mask(image, instance.index, visible)
                rows, columns = np.nonzero(mask)
                assert box.tolist() == [
                    columns.min(),
                    rows.min(),
                    np.ptp(columns) + 1,
                    np.ptp(rows) + 1,
                ]
            shown = bop_dataset.read_mask(image, instance.index, True)
            whole = bop_dataset.read_mask(image, instance.index)
            assert instance.visibility == shown.sum() / whole.sum()


def test_models_are_in_metres(dataset: Path):
    models = load_models(dataset / "models")
    assert np.abs(models[1].box_size - (0.1, 0.06, 0.04)).max() < tolerances.EXACT
    assert np.abs(models[1].half_extents - (0.05, 0.03, 0.02)).max() < tolerances.EXACT
    assert abs(models[2].diameter - np.hypot(0.08, 0.09)) < 1e-6
    assert not models[1].is_symmetric and models[2].is_symmetric
    assert len(models[2].symmetries.translation) == 315


def test_true_poses_score_one(dataset: Path):
    images = bop_dataset.read_split(dataset, "test")
    targets = bop_dataset.read_targets(dataset / bop_dataset.TARGETS_FILE)
    truths = bop_dataset.target_truths(targets, images)
    results = [
        BopResult(image.scene_id, image.image_id, instance.object_id, 1.0, instance.pose)
        for image in images
        for instance in image.instances
    ]
    recalls = evaluate(results, truths, load_models(dataset / "models"))
    assert {each.mean for each in recalls.values()} == {1.0}


def test_the_most_visible_instances_are_wanted(damaged: Path):
    def double(truth: dict) -> None:
        truth["0"].append(dict(truth["0"][0], cam_t_m2c=[5, 0, 505]))

    change(damaged / SCENE / "scene_gt.json", double)
    change(
        damaged / SCENE / "scene_gt_info.json",
        lambda info: info["0"].append(dict(info["0"][0], visib_fract=0.5)),
    )
    images = bop_dataset.read_split(damaged, "test")
    targets = bop_dataset.read_targets(damaged / bop_dataset.TARGETS_FILE)
    truth = bop_dataset.target_truths(targets, images)[0]
    assert truth.poses.translation.tolist() == [[0, 0, 0.5]]


def test_a_right_data_set_has_no_mistakes(dataset: Path):
    counts, faults = check_dataset(dataset)
    assert summarize(faults) == []
    assert counts.lines() == [
        "models: 2",
        "test: 1 scenes, 2 images, 4 objects shown, 4 masks",
        "targets: 4",
    ]


def metres(path: Path) -> None:
    mesh = trimesh.load(path, process=False)
    mesh.apply_scale(1e-3)
    mesh.export(path)


def with_a_hole(path: Path) -> None:
    mesh = trimesh.load(path, process=False)
    mesh.update_faces(np.arange(len(mesh.faces)) != 0)
    mesh.export(path)


def set_truth(key: str, value: object) -> Callable[[Path], None]:
    return lambda root: change(
        root / SCENE / "scene_gt.json", lambda truth: truth["0"][0].update({key: value})
    )


def set_info(key: str, value: object) -> Callable[[Path], None]:
    return lambda root: change(
        root / SCENE / "scene_gt_info.json", lambda info: info["0"][0].update({key: value})
    )


def write_small_mask(root: Path) -> None:
    cv2.imwrite(str(root / SCENE / "mask/000000_000000.png"), np.zeros((10, 20), np.uint8))


DAMAGES = {
    "missing mesh": (
        lambda root: (root / "models/obj_000002.ply").unlink(),
        r"every object has its mesh: object 2: .* is missing; copy it there",
    ),
    "metres in a mm file": (
        lambda root: metres(root / "models/obj_000001.ply"),
        r"a model is a closed mesh in mm: obj_000001.ply: .* in metres; scale it by 1000",
    ),
    "other diameter": (
        lambda root: change(
            root / "models/models_info.json", lambda info: info["1"].update(diameter=90.0)
        ),
        r"a model is a closed mesh in mm: obj_000001.ply: the mesh has a diameter of 123.3 mm",
    ),
    "not watertight": (
        lambda root: with_a_hole(root / "models/obj_000001.ply"),
        r"a model is a closed mesh in mm: obj_000001.ply: the mesh is not watertight",
    ),
    "object without model": (
        set_truth("obj_id", 9),
        r"every obj_id has a model; add .*: scene 3, image 0, object 0 \(obj_id 9\)",
    ),
    "pose in metres": (
        set_truth("cam_t_m2c", [0, 0, 0.5]),
        r"cam_t_m2c is in mm; scale it by 1000: scene 3, image 0",
    ),
    "pose elsewhere": (
        set_truth("cam_t_m2c", [60, 0, 500]),
        r"bbox_obj is the box of the projected model; .*: scene 3, image 0",
    ),
    "no rotation": (
        set_truth("cam_R_m2c", [2, 0, 0, 0, 1, 0, 0, 0, 1]),
        r"cam_R_m2c is a rotation, row by row; correct it: scene 3, image 0",
    ),
    "behind the camera": (
        set_truth("cam_t_m2c", [0, 0, -500]),
        r"an object lies in front of its camera; correct cam_t_m2c: scene 3, image 0",
    ),
    "box outside the image": (
        set_info("bbox_visib", [150, 20, 30, 30]),
        r"bbox_visib lies in the image; correct it: scene 3, image 0, object 0 \(obj_id 1\): ",
    ),
    "whole box outside the image": (
        set_info("bbox_obj", [400, 20, 30, 30]),
        r"bbox_obj of a visible object overlaps the image; correct it: scene 3, image 0",
    ),
    "mask of another size": (
        write_small_mask,
        r"every object has its masks, .*: mask .*000000_000000.png is 20x10 and its image 160x120",
    ),
    "missing mask": (
        lambda root: (root / SCENE / "mask_visib/000007_000001.png").unlink(),
        r"every object has its masks, .*: scene 3, image 7, object 1 .* cannot be read",
    ),
    "missing image": (
        lambda root: (root / SCENE / "rgb/000007.png").unlink(),
        r"every image is there and can be read: scene 3, image 7: .* cannot be read",
    ),
    "target without image": (
        lambda root: change(
            root / "test_targets_bop19.json", lambda targets: targets[0].update(im_id=55)
        ),
        r"every target of .*: scene 3, image 55: .* image 55 of scene 3 is not in the split; copy",
    ),
    "target of too many": (
        lambda root: change(
            root / "test_targets_bop19.json", lambda targets: targets[0].update(inst_count=2)
        ),
        r"every target of .*: scene 3, image 0: .* shows 1 of 2; correct 'inst_count'",
    ),
    "intrinsics of another size": (
        lambda root: change(
            root / SCENE / "scene_camera.json",
            lambda cameras: cameras["0"].update(cam_K=[300, 0, 159.5, 0, 300, 119.5, 0, 0, 1]),
        ),
        r"cam_K has positive focal lengths and its principal point in the image; correct it: ",
    ),
}


@pytest.mark.parametrize("damage, line", DAMAGES.values(), ids=DAMAGES)
def test_a_mistake_is_one_line(damaged: Path, damage: Callable[[Path], None], line: str):
    damage(damaged)
    lines = summarize(check_dataset(damaged)[1])
    found = [each for each in lines if re.match(line, each)]
    assert len(found) == 1 and "\n" not in found[0], lines


FORMS = {
    "scene_gt.json: image 0, object 0: cam_t_m2c is a list of 3 finite numbers": (
        SCENE / "scene_gt.json",
        lambda truth: truth["0"][0].update(cam_t_m2c=[1, 2]),
    ),
    "scene_gt.json: image 0, object 1: objects of scene_gt.json have the key 'obj_id'": (
        SCENE / "scene_gt.json",
        lambda truth: truth["0"][1].pop("obj_id"),
    ),
    "scene_camera.json: image 7: entries of scene_camera.json have the key 'cam_K'": (
        SCENE / "scene_camera.json",
        lambda cameras: cameras["7"].pop("cam_K"),
    ),
    "scene_gt.json: image 5 is not in scene_camera.json": (
        SCENE / "scene_gt.json",
        lambda truth: truth.update({"5": []}),
    ),
    "scene_gt_info.json: image 0 has not one entry for each of the 2 objects": (
        SCENE / "scene_gt_info.json",
        lambda info: info["0"].pop(),
    ),
    "models_info.json: object 1: models of models_info.json have the key 'diameter'": (
        Path("models/models_info.json"),
        lambda info: info["1"].pop("diameter"),
    ),
    "entry 0: targets have the key 'inst_count'": (
        Path("test_targets_bop19.json"),
        lambda targets: targets[0].pop("inst_count"),
    ),
}


@pytest.mark.parametrize("line", FORMS)
def test_another_form_names_file_and_entry(damaged: Path, line: str):
    path, edit = FORMS[line]
    change(damaged / path, edit)
    with pytest.raises(UserError) as error:
        check_dataset(damaged)
    assert line in str(error.value) and "; write it" in str(error.value)


def test_missing_folders_are_named(dataset: Path, damaged: Path):
    with pytest.raises(UserError, match=r"is missing; the splits of .* are test$"):
        bop_dataset.read_split(dataset, "train_pbr")
    with pytest.raises(UserError, match="holds no split with scenes"):
        check_dataset(dataset / "models")
    shutil.rmtree(damaged / "models")
    with pytest.raises(UserError, match=r"models_info.json cannot be read: .*create_data.py bop"):
        check_dataset(damaged)


def test_detections_come_back_and_are_checked(dataset: Path, tmp_path: Path):
    boxes = [(10.5, 20.0, 30.0, 40.25), (170.0, 5.0, 20.0, 20.0)]
    detections = [Detection(3, 0, 1, np.array(box), 0.5) for box in boxes]
    detections += [Detection(3, 0, 8, np.array(boxes[0]), 0.5)]
    detections += [Detection(3, 99, 1, np.array(boxes[0]), 0.5)]
    write_detections(detections, tmp_path / "boxes.json")
    back = read_detections(tmp_path / "boxes.json")
    assert [each.box.tolist() for each in back] == [each.box.tolist() for each in detections]
    images = bop_dataset.read_split(dataset, "test")
    lines = summarize(find_detection_faults(back, images, [1, 2]))
    assert lines == [
        "a box overlaps its image of 160x120; correct bbox: entry 1: [170.0, 5.0, 20.0, 20.0]",
        "every category_id has a model; add the model or drop the detection: entry 2: 8",
        "every detection has its image; drop the others: entry 3: scene 3, image 99",
    ]


@pytest.mark.parametrize(
    "entry, line",
    [
        (dict(scene_id=1), "entry 0: detections have the key 'image_id'"),
        (
            dict(scene_id=1, image_id=2, category_id=3, score=1),
            "entry 0: detections have the key 'bbox'",
        ),
        (
            dict(scene_id=1, image_id=2, category_id=3, score=1, bbox=[1, 2, 0, 4]),
            r"entry 0: bbox is a list of 4 .*: \[1, 2, 0, 4\]",
        ),
    ],
)
def test_wrong_detections(tmp_path: Path, entry: dict, line: str):
    (tmp_path / "boxes.json").write_text(json.dumps([entry]))
    with pytest.raises(UserError, match=line):
        read_detections(tmp_path / "boxes.json")


def test_the_command(call: Callable, dataset: Path, damaged: Path):
    code, out, _ = call("create_data", "bop", dataset)
    assert code == 0 and out.endswith("valid\n")
    (damaged / "models/obj_000002.ply").unlink()
    code, _, err = call("create_data", "bop", damaged)
    assert code == 2 and "error: every object has its mesh: object 2" in err
    code, _, err = call("create_data", "bop", damaged / "nowhere")
    assert code == 2 and err.count("\n") == 1 and "is no folder" in err
