"""Mistakes in an annotation file are found, and named by their place: those of the schema
elsewhere, those of the values here.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import cv2
import pytest
from PIL import Image

from epropnp_det.detection.data import annotation_check, annotation_file
from epropnp_det.detection.data.class_set import NUSCENES, class_set
from epropnp_det.engine.file_checks import summarize
from tests.nuscenes_factory import VERSION

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def path(database: Path) -> Path:
    return database / annotation_file.file_name("val", VERSION)


@pytest.fixture(scope="module")
def good(path: Path) -> dict:
    return annotation_file.read_annotations(path)


def set_box(index: int, change: Callable[[float], float]) -> Callable[[dict], None]:
    def damage(data: dict) -> None:
        box = data["annotations"][0]["bbox_cam3d"]
        box[index] = change(box[index])

    return damage


def scale_lengths(annotation: dict, factor: float) -> None:
    box = annotation["bbox_cam3d"]
    annotation["bbox_cam3d"] = [factor * value for value in box[:6]] + box[6:]


def set_image(**values: object) -> Callable[[dict], None]:
    return lambda data: data["images"][0].update(values)


def intrinsics_of_twice_the_size(data: dict) -> None:
    matrix = data["images"][0]["cam_intrinsic"]
    data["images"][0]["cam_intrinsic"] = [[2 * value for value in row] for row in matrix[:2]] + [
        matrix[2]
    ]


def bottom_centre(data: dict) -> None:
    for annotation in data["annotations"]:
        annotation["bbox_cam3d"][1] += annotation["bbox_cam3d"][4] / 2


DAMAGES = {
    "no file": (
        set_image(file_name="samples/nowhere.jpg"),
        "every image is there and can be read: image samples/nowhere.jpg",
    ),
    "other size": (set_image(width=1280), "width and height are those of the file: image samples/"),
    "zero focal length": (
        set_image(cam_intrinsic=[[0, 0, 800], [0, 0, 450], [0, 0, 1]]),
        "cam_intrinsic is a 3x3 matrix and finite, with positive focal",
    ),
    "quaternion": (
        set_image(cam2ego_rotation=[1, 1, 0, 0]),
        "cam2ego_rotation is a unit quaternion",
    ),
    "flat": (
        set_box(4, lambda _: 0.0),
        "the size l, h, w of bbox_cam3d is positive, from 0.01 to 100 m: annotations[0] in ",
    ),
    "behind": (set_box(2, lambda z: -z), "a box lies in front of its camera"),
    "not finite": (set_box(0, lambda _: float("nan")), "bbox_cam3d is 7 finite numbers"),
    "feet": (
        lambda data: [scale_lengths(annotation, 3.28) for annotation in data["annotations"]],
        "sizes are in metres and near the size_mean of their class: class car",
    ),
    "outside": (
        lambda data: data["annotations"][0].update(bbox=[1700.0, 10.0, 5.0, 5.0]),
        "bbox lies in the image, at least in part: annotations[0] in samples/",
    ),
    "twice": (
        lambda data: data["annotations"].append(dict(data["annotations"][0], id=10**6)),
        "a box is in an image once: annotations[",
    ),
    "mirrored": (set_box(0, lambda x: -x - 5), "bbox is what the image shows of bbox_cam3d"),
    "attribute": (
        lambda data: data["annotations"][0].update(attribute_id=77),
        "attribute_id fits the class, or is 8 for none",
    ),
    "class": (
        lambda data: data["categories"].append(dict(id=99, name="van")),
        "categories are among car, truck",
    ),
}


def test_what_the_converter_writes_is_right(good: dict, database: Path):
    assert summarize(annotation_check.find_faults(good, database, NUSCENES)) == []


def test_a_sliver_at_the_border_may_be_elsewhere(good: dict, database: Path):
    data = copy.deepcopy(good)
    data["annotations"][0]["bbox"] = [0.0, 300.0, 5.0, 200.0]
    assert summarize(annotation_check.find_faults(data, database, NUSCENES)) == []
    data["annotations"][0]["bbox"] = [0.0, 300.0, 50.0, 200.0]
    assert len(summarize(annotation_check.find_faults(data, database, NUSCENES))) == 1


@pytest.mark.parametrize("damage, line", DAMAGES.values(), ids=DAMAGES)
def test_a_mistake_is_one_line_with_its_place(
    good: dict, database: Path, damage: Callable[[dict], None], line: str
):
    data = copy.deepcopy(good)
    damage(data)
    lines = summarize(annotation_check.find_faults(data, database, NUSCENES))
    assert any(each.startswith(line) for each in lines), lines


@pytest.mark.parametrize(
    "damage", [bottom_centre, intrinsics_of_twice_the_size], ids=["bottom centre", "intrinsics"]
)
def test_mistakes_that_make_sense_by_themselves_show_in_the_image(
    good: dict, database: Path, damage: Callable[[dict], None]
):
    data = copy.deepcopy(good)
    damage(data)
    lines = summarize(annotation_check.find_faults(data, database, NUSCENES))
    assert any(
        each.startswith(("bbox is what the image shows", "the principal point")) for each in lines
    ), lines


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "tools/validate_data.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command_draws_labels(path: Path, database: Path, tmp_path: Path):
    done = run(path, "--data-root", database, "--draw", tmp_path / "labels", "--images", 2)
    assert done.returncode == 0 and "valid: 12 images" in done.stdout
    pictures = [cv2.imread(str(file)) for file in (tmp_path / "labels").glob("*.png")]
    colours = [
        len(set(map(tuple, picture[::7, :1600:7].reshape(-1, 3).tolist()))) for picture in pictures
    ]
    assert (
        len(pictures) == 2 and max(colours) > 3
    )  # the files are of one colour each; not every image has a box


def test_the_command_names_mistakes(good: dict, database: Path, tmp_path: Path):
    data = copy.deepcopy(good)
    bottom_centre(data)
    (tmp_path / "wrong.json").write_text(json.dumps(data))
    done = run(tmp_path / "wrong.json", "--data-root", database)
    assert (
        done.returncode == 2
        and done.stdout == ""
        and "error: bbox is what the image shows of bbox_cam3d" in done.stderr
    )


def test_own_classes_are_an_argument(good: dict, database: Path):
    data = copy.deepcopy(good)
    for category in data["categories"]:
        category["name"] = f"my_{category['name']}"
    for annotation in data["annotations"]:
        annotation["attribute_id"] = NUSCENES.attributes.index("none")
    assert len(summarize(annotation_check.find_faults(data, database, NUSCENES))) == 1
    own = class_set([category["name"] for category in data["categories"]])
    assert summarize(annotation_check.find_faults(data, database, own)) == []


def test_a_truncated_image_is_named(good: dict, database: Path, tmp_path: Path):
    shutil.copytree(database / "samples", tmp_path / "samples")
    images = good["images"]
    path = tmp_path / images[3]["file_name"]
    path.write_bytes(path.read_bytes()[:-300])
    (line,) = summarize(annotation_check.find_faults(good, tmp_path, NUSCENES))
    assert line.startswith(
        f"every image is there and can be read: image {path.relative_to(tmp_path)}"
    )


@pytest.mark.parametrize("order", list(permutations("lhw"))[1:], ids="".join)
def test_another_order_of_sizes_shows_without_2d_boxes(
    good: dict, database: Path, order: tuple[str, ...]
):
    data = copy.deepcopy(good)
    for annotation in data["annotations"]:
        del annotation["bbox"]
        box = annotation["bbox_cam3d"]
        sizes = dict(zip("lhw", box[3:6]))
        annotation["bbox_cam3d"] = [*box[:3], *(sizes[side] for side in order), box[6]]
    (line,) = summarize(annotation_check.find_faults(data, database, NUSCENES))
    assert line == f"sizes have the order l, h, w: bbox_cam3d: {', '.join(order)} fits size_mean"


def test_a_camera_that_is_not_upright_is_doubted(good: dict):
    assert not list(annotation_check.find_doubts(good))
    data = copy.deepcopy(good)
    data["images"][1]["cam2ego_rotation"] = [1.0, 0.0, 0.0, 0.0]
    (doubt,) = annotation_check.find_doubts(data)
    assert f"of 1 images, first {data['images'][1]['file_name']}" in doubt


def test_the_command_shows_doubts_and_accepts_the_file(tmp_path: Path):
    """An image in its mandatory keys, with a rotation that has the camera face upwards."""
    Image.new("RGB", (640, 384)).save(tmp_path / "0.png")
    camera = [[500, 0, 320], [0, 500, 192], [0, 0, 1]]
    box = dict(file_name="0.png", category_name="car", bbox_cam3d=[0, 0.8, 12, 4.5, 1.5, 1.8, 0.3])
    beside = dict(box, bbox_cam3d=[60, 0.8, 12, 4.5, 1.5, 1.8, 0.3])
    image = dict(file_name="0.png", cam_intrinsic=camera, cam2ego_rotation=[1, 0, 0, 0])
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(dict(images=[image], annotations=[box, beside])))
    done = run(path, "--data-root", tmp_path)
    assert done.returncode == 0
    assert "1 images, 1 boxes and 1 of which the images show nothing" in done.stdout
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("warning: cam2ego_rotation")
