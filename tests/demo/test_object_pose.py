"""`epropnp pose` and `demo/object_pose.py`: a picture and a JSON file for an image, or one line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh

from epropnp_det.console.command import main
from epropnp_det.console.pose import DEMO_IMAGE, DEMO_INTRINSICS
from epropnp_det.object_pose.data.object_models import ObjectModel
from epropnp_det.object_pose.data.procedural_models import load_procedural_models
from epropnp_det.object_pose.evaluation.pose_errors import (
    add,
    adi,
    nearest_symmetric_truth,
    projection_error,
)
from epropnp_det.object_pose.rigid_pose import RigidPose
from tests.object_pose import bop_factory
from tests.object_pose.small_run import write_network
from tests.tolerances import EXACT_FLOAT32

ROOT = Path(__file__).parents[2]
IMAGE = Path("test/000003/rgb/000007.png")
BOXES = [dict(obj_id=1, bbox=[62, 42, 36, 36]), dict(obj_id=2, bbox=[70, 45, 40, 40], score=0.5)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BOP data set of two objects, boxes, and an untrained network."""
    root = bop_factory.write_dataset(tmp_path_factory.mktemp("pose"))
    bop_factory.write(root / "boxes.json", BOXES)
    write_network(root, objects=2)
    return root


def pose(root: Path, out: Path, **changes: object) -> list[str]:
    """Arguments of `epropnp pose`; None leaves one out."""
    options: dict[str, object] = dict(
        intrinsics=root / "test/000003/scene_camera.json",
        boxes=root / "boxes.json",
        models=root / "models",
        config=root / "small.py",
        checkpoint=root / "small.pth",
        device="cpu",
        out=out,
    )
    given = {key: value for key, value in (options | changes).items() if value is not None}
    image = given.pop("image", root / IMAGE)
    pairs = [(f"--{key}", str(value)) for key, value in given.items()]
    return ["pose", str(image), *(word for pair in pairs for word in pair)]


def test_picture_and_numbers(prepared: Path, tmp_path: Path):
    assert main(pose(prepared, tmp_path, samples=128)) == 0
    content = json.loads((tmp_path / "000007.json").read_text())
    assert content["camera_matrix"] == [[150, 0, 80], [0, 150, 60], [0, 0, 1]]
    assert "exp(r) rotation" in content["frame"]
    first, second = content["objects"]
    assert (first["object_id"], first["score"], second["score"]) == (1, 1.0, 0.5)
    for each in content["objects"]:
        rotation = np.array(each["rotation"])
        assert np.abs(rotation @ rotation.T - np.eye(3)).max() < EXACT_FLOAT32
        assert np.shape(each["covariance_in_camera_frame"]) == (6, 6)
        shares = [mode["share"] for mode in each["modes"]]
        assert 1 <= len(shares) <= 4 and abs(sum(shares) - 1) < EXACT_FLOAT32
        assert np.shape(each["modes"][0]["covariance_in_camera_frame"]) == (6, 6)
        assert np.shape(each["samples"]) == (128, 7) and len(each["sample_weights"]) == 128
    picture = cv2.imread(str(tmp_path / "000007.png"))
    assert picture.shape[1] == 1560 and picture.shape[0] > 1170 + 2 * 260


def test_the_same_numbers_again_and_no_samples_unless_wanted(prepared: Path, tmp_path: Path):
    for name in ("first", "second"):
        assert main(pose(prepared, tmp_path / name)) == 0
    first = (tmp_path / "first/000007.json").read_bytes()
    assert first == (tmp_path / "second/000007.json").read_bytes()
    assert all("samples" not in each for each in json.loads(first)["objects"])


def test_boxes_of_a_detection_file_are_those_of_the_image(prepared: Path, tmp_path: Path):
    detections = [
        dict(scene_id=3, image_id=image, category_id=key, bbox=[60, 40, 30, 30], score=0.9)
        for image, key in ((0, 1), (7, 2), (7, 1))
    ]
    bop_factory.write(tmp_path / "detections.json", detections)
    assert main(pose(prepared, tmp_path, boxes=tmp_path / "detections.json")) == 0
    content = json.loads((tmp_path / "000007.json").read_text())
    assert [each["object_id"] for each in content["objects"]] == [2, 1]


def test_four_numbers_and_an_image_elsewhere(prepared: Path, tmp_path: Path):
    shutil.copy(prepared / IMAGE, tmp_path / "table.png")
    numbers = "150,150,80,60"
    changes = dict(image=tmp_path / "table.png", intrinsics=numbers)
    assert main(pose(prepared, tmp_path / "found", **changes)) == 0
    assert (tmp_path / "found/table.json").is_file()


def test_a_lens_without_effect_changes_no_pose(prepared: Path, tmp_path: Path):
    """A tiny distortion moves pixels by less than their rounding; a large one is undone."""
    found = []
    for strength in (0.0, 1e-9, 0.3):
        matrix = dict(rows=3, cols=3, data=[150, 0, 80, 0, 150, 60, 0, 0, 1])
        coefficients = dict(rows=1, cols=5, data=[strength, 0, 0, 0, 0])
        camera = dict(camera_matrix=matrix, distortion_coefficients=coefficients)
        bop_factory.write(tmp_path / "calibration.json", camera)
        out = tmp_path / f"{strength}"
        assert main(pose(prepared, out, intrinsics=tmp_path / "calibration.json")) == 0
        objects = json.loads((out / "000007.json").read_text())["objects"]
        found.append(np.array([each["translation_m"] for each in objects]))
    assert np.abs(found[1] - found[0]).max() < EXACT_FLOAT32
    assert (found[2] != found[0]).any()


def test_the_script_is_the_same_command(prepared: Path, tmp_path: Path):
    script = [sys.executable, str(ROOT / "demo/object_pose.py")]
    done = subprocess.run(
        [*script, *pose(prepared, tmp_path)[1:]], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "000007.json").is_file() and (tmp_path / "000007.png").is_file()


def test_the_shipped_network_finds_poses_in_given_boxes(tmp_path: Path):
    """All within a tenth of the diameter in space (ADD-S of symmetric objects), and on the image
    within 5 px of the nearest symmetric pose.
    """
    boxes = ROOT / "tests/data/table_boxes.json"
    given = ["--intrinsics", DEMO_INTRINSICS, "--boxes", str(boxes), "--device", "cpu"]
    assert main(["pose", str(DEMO_IMAGE), *given, "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "table.json").read_text())
    models = load_procedural_models()
    for found, true in zip(content["objects"], true_poses(), strict=True):
        model = models[found["object_id"]]
        assert found["object_id"] == true[0]
        assert_on_the_image(found, true[1], model, np.array(content["camera_matrix"]))
        assert is_near(found, true[1], model)


def test_the_shipped_detector_finds_the_objects_of_the_demo(tmp_path: Path):
    """Each object is found once, its outline within 5 px of the nearest symmetric pose. Poses that
    the score is sure of are within a tenth of the diameter.
    """
    assert main(["pose", "--demo", "--device", "cpu", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "table.json").read_text())
    models = load_procedural_models()
    truth = true_poses()
    assert len(content["objects"]) == len(truth)
    for object_id, wanted in truth:
        alike = [each for each in content["objects"] if each["object_id"] == object_id]
        found = min(alike, key=lambda each: distance(each, wanted))
        model = models[object_id]
        assert_on_the_image(found, wanted, model, np.array(content["camera_matrix"]))
        assert found["score"] < 0.5 or is_near(found, wanted, model)
    assert sum(each["score"] > 0.5 for each in content["objects"]) >= 4


def true_poses() -> list[tuple[int, RigidPose]]:
    """Numbers and poses [m] of the objects of the demo, in the order of its boxes."""
    truth = json.loads((ROOT / "tests/data/table_scene_gt.json").read_text())
    return [
        (
            each["obj_id"],
            RigidPose(np.reshape(each["cam_R_m2c"], (3, 3)), np.array(each["cam_t_m2c"]) / 1000),
        )
        for each in truth
    ]


def pose_of(found: dict) -> RigidPose:
    return RigidPose(np.array(found["rotation"]), np.array(found["translation_m"]))


def is_near(found: dict, wanted: RigidPose, model: ObjectModel) -> bool:
    """Whether ADD, or ADD-S of a symmetric object, is below a tenth of the diameter."""
    error = adi if model.is_symmetric else add
    return bool(error(pose_of(found), wanted, model.vertices) < 0.1 * model.diameter)


def assert_on_the_image(
    found: dict, wanted: RigidPose, model: ObjectModel, camera: np.ndarray
) -> None:
    """The vertices are within 5 px of those of the nearest symmetric pose."""
    estimated = pose_of(found)
    nearest = nearest_symmetric_truth(estimated, wanted, model.symmetries)
    assert projection_error(estimated, nearest, model.vertices, camera) < 5


def distance(found: dict, wanted: RigidPose) -> float:
    """Between the centres of an object of the JSON file and a pose [m]."""
    return float(np.linalg.norm(np.array(found["translation_m"]) - wanted.translation))


def test_the_demo_takes_no_image_of_yours(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["pose", "table.jpg", "--demo", "--out", str(tmp_path)]) != 0
    assert "leave out yours" in capsys.readouterr().err
    assert main(["pose", "--out", str(tmp_path)]) != 0
    assert "or --demo" in capsys.readouterr().err


def changed_boxes(**changes: object) -> Callable[[Path], dict]:
    """Boxes whose first entry has other values."""

    def change(root: Path) -> dict:
        bop_factory.write(root / "other.json", [BOXES[0] | changes])
        return dict(boxes=root / "other.json")

    return change


def metres(root: Path) -> dict:
    path = root / "models/obj_000001.ply"
    mesh = trimesh.load(path, process=False)
    mesh.apply_scale(1e-3)
    mesh.export(path)
    return {}


def with_a_hole(root: Path) -> dict:
    path = root / "models/obj_000001.ply"
    mesh = trimesh.load(path, process=False)
    mesh.update_faces(np.arange(len(mesh.faces)) != 0)
    mesh.export(path)
    return {}


def without_mesh(root: Path) -> dict:
    (root / "models/obj_000002.ply").unlink()
    return {}


def other_network(root: Path) -> dict:
    write_network(root, objects=3)
    checkpoint = torch.load(root / "small.pth", weights_only=True)
    torch.save(checkpoint["state_dict"], root / "small.pth")
    return {}


def copied_image(root: Path) -> dict:
    shutil.copy(root / IMAGE, root / "table.png")
    return dict(image=root / "table.png")


def several_images(root: Path) -> dict:
    entries = [dict(BOXES[0], scene_id=3, image_id=image, category_id=1) for image in (0, 7)]
    bop_factory.write(root / "other.json", entries)
    return copied_image(root) | dict(boxes=root / "other.json", intrinsics="150,150,80,60")


def many_boxes(root: Path) -> dict:
    bop_factory.write(root / "other.json", BOXES[:1] * 10_000)
    return dict(boxes=root / "other.json")


def of_another_image(root: Path) -> dict:
    bop_factory.write(root / "other.json", [dict(BOXES[0], scene_id=3, image_id=55)])
    return dict(boxes=root / "other.json")


MISTAKES = {
    "no models": (lambda root: dict(models=root / "none"), "none/models_info.json cannot be read"),
    "missing mesh": (without_mesh, "obj_000002.ply is missing; copy it there"),
    "metres in a mm file": (metres, "in metres; scale it by 1000"),
    "open mesh": (with_a_hole, "the mesh is not watertight"),
    "object without model": (
        changed_boxes(obj_id=9),
        "object 9 has no model; the models are [1, 2]",
    ),
    "box outside": (changed_boxes(bbox=[161, 0, 9, 9]), "box 0 (161, 0, 9, 9) shows nothing of"),
    "box without area": (
        changed_boxes(bbox=[5, 5, 0, 9]),
        "4 finite numbers x, y, w, h with a positive size: [5, 5, 0, 9]",
    ),
    "box without object": (
        changed_boxes(obj_id=None),
        "category_id is a whole number from 0: None",
    ),
    "box that is no box": (changed_boxes(bbox=[1, 2]), "bbox is a list of 4 finite numbers"),
    "too many boxes": (many_boxes, "image 0 of scene 0 has 10000 boxes; at most"),
    "no box of the image": (of_another_image, "has no box of"),
    "boxes of several images": (several_images, "has boxes of 2 images, and"),
    "no boxes": (lambda root: dict(boxes=root / "none.json"), "none.json cannot be read"),
    "no image": (lambda root: dict(image=root / "none.png"), "none.png"),
    "camera of no scene": (copied_image, "is not in a BOP scene"),
    "no intrinsics": (lambda root: dict(intrinsics="1,2,3"), "intrinsics must be 3x3 or 4 numbers"),
    "no checkpoint": (lambda root: dict(checkpoint=root / "none.pth"), "give --checkpoint"),
    "no config": (lambda root: dict(config=root / "none.py"), "give --config"),
    "number of objects": (other_network, "output channels for 3 objects and there are 2"),
    "odd samples": (lambda root: dict(samples=30), "must be a multiple of amis_rounds=4; use 32"),
    "output over an input": (lambda root: dict(out=(root / IMAGE).parent), "is an input file"),
}


@pytest.mark.parametrize("mistake, line", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(
    prepared: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    mistake: Callable[[Path], dict],
    line: str,
):
    root = Path(shutil.copytree(prepared, tmp_path / "copy"))
    changes = dict(out=tmp_path / "out") | mistake(root)
    code = main(pose(root, **changes))
    (last,) = capsys.readouterr().err.strip().splitlines()
    assert code == 2 and last.startswith("error: ") and line in last
    assert not (tmp_path / "out").exists()
