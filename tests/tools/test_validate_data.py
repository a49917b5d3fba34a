"""tools/validate_data.py names record and field of every kind of mistake, and ends with code 2."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from epropnp_det.detection.data.projection import box_in_image, corners_of_yaw_box

WIDTH = 320
HEIGHT = 120
MATRIX = [[200.0, 0.0, 160.0], [0.0, 200.0, 60.0], [0.0, 0.0, 1.0]]
BOXES = ([0.5, 0.3, 9.0, 4.0, 1.5, 1.8, 0.4], [-2.0, 0.2, 14.0, 4.2, 1.6, 1.9, -1.0])


def good() -> dict:
    images = [
        dict(
            id=f"i{index}",
            token=f"t{index}",
            file_name=f"images/{index}.png",
            width=WIDTH,
            height=HEIGHT,
            cam_intrinsic=MATRIX,
            cam2ego_rotation=[0.5, -0.5, 0.5, -0.5],
            cam2ego_translation=[0, 0, 1.6],
            ego2global_rotation=[1, 0, 0, 0],
            ego2global_translation=[0, 0, 0],
            range_origin=[0, 0, 0],
        )
        for index in range(2)
    ]
    annotations = []
    for index, box in enumerate(BOXES):
        corners = corners_of_yaw_box(np.array(box))
        x1, y1, x2, y2 = box_in_image(corners, np.array(MATRIX), WIDTH, HEIGHT).tolist()
        annotations.append(
            dict(
                id=index,
                image_id=f"i{index}",
                category_id=0,
                bbox=[x1, y1, x2 - x1, y2 - y1],
                bbox_cam3d=box,
                velo_cam3d=[0.0, 0.0],
                velocity_known=True,
                attribute_id=8,
                visibility=4,
                truncation=0.0,
                num_lidar_pts=9,
                instance_token=f"o{index}",
            )
        )
    return dict(images=images, annotations=annotations, categories=[dict(id=0, name="car")])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    (root / "images").mkdir()
    pixels = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    for index in range(2):
        pixels.save(root / "images" / f"{index}.png")
    whole = (root / "images" / "0.png").read_bytes()
    (root / "images" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "images" / "empty.png").write_bytes(b"")
    outside = tmp_path_factory.mktemp("outside") / "0.png"
    pixels.save(outside)
    (root / "images" / "link.png").symlink_to(outside)
    return root


Change = Callable[[dict], Any]


def image(**values: object) -> Change:
    return lambda data: data["images"][1].update(values)


def box(**values: object) -> Change:
    return lambda data: data["annotations"][1].update(values)


def number(index: int, value: object) -> Change:
    return lambda data: data["annotations"][1]["bbox_cam3d"].__setitem__(index, value)


def focal(value: object) -> Change:
    return image(cam_intrinsic=[[value, 0, 160.0], [0, value, 60.0], [0, 0, 1]])


IMAGE = "image images/1.png"
BOX = "annotations[1]"
# What is wrong: the change, the record and the field that the line names.
KINDS: dict[str, tuple[Change, str, str]] = {
    "translation null": (image(ego2global_translation=None), IMAGE, "ego2global_translation"),
    "translation of 2 numbers": (image(cam2ego_translation=[0, 1]), IMAGE, "cam2ego_translation"),
    "rotation as a dict": (image(cam2ego_rotation=dict(w=1)), IMAGE, "cam2ego_rotation"),
    "rotation of length 2": (image(ego2global_rotation=[2, 0, 0, 0]), IMAGE, "ego2global_rotation"),
    "range_origin infinite": (image(range_origin=[0, 0, math.inf]), IMAGE, "range_origin"),
    "camera as text": (image(cam_intrinsic="700"), IMAGE, "cam_intrinsic"),
    "camera of text": (focal("700"), IMAGE, "cam_intrinsic"),
    "negative focal length": (focal(-700), IMAGE, "cam_intrinsic"),
    "focal length of 400 digits": (focal(10**400), IMAGE, "cam_intrinsic"),
    "principal point outside": (
        image(cam_intrinsic=[[200, 0, 900], [0, 200, 60], [0, 0, 1]]),
        IMAGE,
        "cam_intrinsic",
    ),
    "width as text": (image(width="320"), IMAGE, "width"),
    "width 0": (image(width=0), IMAGE, "width"),
    "another width": (image(width=321), IMAGE, "width"),
    "file name null": (image(file_name=None), "images[1]", "file_name"),
    "file name with ..": (image(file_name="../x.png"), "image ../x.png", "file_name"),
    "absolute file name": (image(file_name="/etc/passwd"), "image /etc/passwd", "file_name"),
    "linked file": (image(file_name="images/link.png"), "image images/link.png", "is a link"),
    "missing file": (image(file_name="images/9.png"), "image images/9.png", "No such file"),
    "truncated file": (image(file_name="images/cut.png"), "image images/cut.png", "truncated"),
    "empty file": (image(file_name="images/empty.png"), "image images/empty.png", "0 bytes"),
    "image id twice": (image(id="i0"), "images[1]", "id of images"),
    "image token null": (image(token=None), IMAGE, "token"),
    "image is no object": (lambda data: data["images"].append(3), "images[2]", "entry of images"),
    "bbox NaN": (box(bbox=[math.nan] * 4), BOX, "bbox"),
    "bbox of negative width": (box(bbox=[10, 10, -5, 20]), BOX, "bbox"),
    "bbox elsewhere": (box(bbox=[1.0, 1.0, 20.0, 20.0]), BOX, "bbox"),
    "box NaN": (number(0, math.nan), BOX, "bbox_cam3d"),
    "box behind the camera": (number(2, -5.0), BOX, "bbox_cam3d"),
    "negative length": (number(3, -4.0), BOX, "bbox_cam3d"),
    "length 0": (number(3, 0), BOX, "bbox_cam3d"),
    "length 1e30": (number(3, 1e30), BOX, "bbox_cam3d"),
    "length in mm": (number(3, 4000), BOX, "bbox_cam3d"),
    "yaw in degrees": (number(6, 90.0), BOX, "bbox_cam3d"),
    "box of 6 numbers": (box(bbox_cam3d=[1, 1, 9, 1, 1, 1]), BOX, "bbox_cam3d"),
    "velocity infinite": (box(velo_cam3d=[math.inf, 0]), BOX, "velo_cam3d"),
    "velocity 1e30": (box(velo_cam3d=[1e30, 0]), BOX, "velo_cam3d"),
    "velocity of 3 numbers": (box(velo_cam3d=[0, 0, 0]), BOX, "velo_cam3d"),
    "visibility as text": (box(visibility="v80-100"), BOX, "visibility"),
    "visibility 10^5000": (box(visibility="@"), BOX, "visibility"),
    "truncation 2": (box(truncation=2), BOX, "truncation"),
    "LiDAR points -1": (box(num_lidar_pts=-1), BOX, "num_lidar_pts"),
    "attribute as text": (box(attribute_id="none"), BOX, "attribute_id"),
    "attribute of another class": (box(attribute_id=0), BOX, "attribute_id"),
    "attribute 99": (box(attribute_id=99), BOX, "attribute_id"),
    "instance null": (box(instance_token=None), BOX, "instance_token"),
    "annotation id twice": (box(id=0), BOX, "id of annotations"),
    "dead image": (box(image_id="i7"), BOX, "image_id"),
    "dead category": (box(category_id=7), BOX, "category_id"),
    "nested deeply": (box(more=json.loads("[" * 60 + "]" * 60)), BOX, "deep in each other"),
    "category without a name": (
        lambda data: data["categories"].append(dict(id=1)),
        "categories[1]",
        "'name'",
    ),
    "category id twice": (
        lambda data: data["categories"].append(dict(id=0, name="bus")),
        "categories[1]",
        "id of categories",
    ),
    "unknown class": (
        lambda data: data["categories"].append(dict(id=1, name="sheep")),
        "categories",
        "sheep",
    ),
    "a box twice": (
        lambda data: data["annotations"].append(dict(data["annotations"][1], id=2)),
        "annotations[2]",
        "a box is in an image once",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_named_by_record_and_field(call: Callable, root: Path, kind: str) -> None:
    change, record, field = KINDS[kind]
    data = copy.deepcopy(good())
    change(data)
    path = root / "annotations.json"
    path.write_text(json.dumps(data).replace('"@"', "9" * 5000))
    code, _, errors = call("validate_data", path, "--data-root", root)
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert code == 2 and "Traceback" not in errors
    assert any(record in line and field in line for line in lines), errors


def test_a_right_file_is_valid(call: Callable, root: Path) -> None:
    path = root / "annotations.json"
    path.write_text(json.dumps(good()), encoding="utf-8-sig")
    code, text, errors = call("validate_data", path, "--data-root", root)
    assert code == 0 and "valid: 2 images, 2 boxes" in text, errors


TOPS = {
    "empty": (b"", "it is empty"),
    "zero bytes in it": (b"\0\0\0", "is not JSON"),
    "a list": (b"[]", "no list 'images'"),
    "images as dict": (b'{"images": {}, "annotations": []}', "no list 'images'"),
    "no annotations": (b'{"images": []}', "no list 'annotations'"),
    "no image": (b'{"images": [], "annotations": []}', "lists no image"),
    "UTF-16": ("{}".encode("utf-16"), "byte 0 is not UTF-8"),
    "brackets": (b"[" * 100_000, "line 1, column 33"),
    "half": (b'{"images": [{"id', "is not JSON"),
}


@pytest.mark.parametrize("name", TOPS)
def test_what_is_no_annotation_file_is_one_line(call: Callable, root: Path, name: str) -> None:
    content, text = TOPS[name]
    path = root / "top.json"
    path.write_bytes(content)
    code, _, errors = call("validate_data", path, "--data-root", root)
    assert code == 2 and errors.count("\n") == 1
    assert errors.startswith(f"error: annotation file {path} ") and text in errors
