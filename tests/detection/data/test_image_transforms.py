"""Image, camera and ground truth stay together through crop, resize and flip, and nobody's
arguments change.
"""

from __future__ import annotations

import copy
import math
import random
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes

from epropnp_det.detection.data.transforms import (
    CropAroundObject,
    CropImage,
    FilterObjects,
    FlipImage,
    LoadCameraAnnotations,
    LoadCameraImage,
    ResizeImage,
    mirror_boxes,
)
from epropnp_det.errors import UserError
from tests.tolerances import CENTROID

INTRINSIC = [[420.0, 0.0, 318.7], [0.0, 421.0, 241.2], [0.0, 0.0, 1.0]]
WIDTH, HEIGHT = 640, 480
BOX = [1.1, 0.6, 9.0, 4.2, 1.6, 1.8, 0.7, 3.0, -2.0]  # gravity centre, l h w, yaw, velocity

SEQUENCES = {
    "crop": [CropImage((0, 60, 640, 480))],
    "crop left and right": [CropImage((50, 60, 600, 420))],
    "crop around": [CropAroundObject((400, 320))],
    "half": [ResizeImage(0.5)],
    "odd size": [CropImage((3, 5, 636, 470)), ResizeImage(0.37)],
    "double": [ResizeImage(2.0)],
    "flip": [FlipImage(1.0)],
    "flip the cropped": [CropImage((50, 60, 600, 480)), FlipImage(1.0)],
    "crop the flipped": [FlipImage(1.0), CropImage((50, 60, 600, 480))],
    "all": [
        CropImage((0, 60, 601, 480)),
        ResizeImage(0.5),
        FlipImage(1.0),
        CropImage((7, 0, 290, 200)),
    ],
}


def blob_image(pixel: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) with a smooth bright spot around a pixel; pixel centres are at half
    numbers.
    """
    x, y = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
    spot = np.exp(-((x - pixel[0]) ** 2 + (y[:, None] - pixel[1]) ** 2) / (2 * 6.0**2))
    return np.repeat((255 * spot)[..., None], 3, axis=2).astype(np.float32)


def centroid(image: np.ndarray) -> np.ndarray:
    weight = image[..., 0].astype(np.float64)
    x, y = np.arange(weight.shape[1]) + 0.5, np.arange(weight.shape[0]) + 0.5
    return np.array([(weight.sum(axis=0) * x).sum(), (weight.sum(axis=1) * y).sum()]) / weight.sum()


def make_results() -> dict:
    """What the two loading steps make of an image with a blob at the projected centre of its one
    box.
    """
    pixel = np.array(INTRINSIC) @ BOX[:3]
    pixel = pixel[:2] / pixel[2]
    rectangle = np.array(
        [[pixel[0] - 60, pixel[1] - 40, pixel[0] + 80, pixel[1] + 30]], dtype=np.float32
    )
    info = dict(
        bboxes=rectangle,
        gt_bboxes_3d=CameraInstance3DBoxes([BOX], box_dim=9, origin=(0.5, 0.5, 0.5)),
        gt_labels_3d=np.array([4]),
        attr_labels=np.array([6]),
        visibility=np.array([3]),
        truncation=np.array([0.1], dtype=np.float32),
    )
    results = LoadCameraImage()(
        dict(img=blob_image(pixel), img_info=dict(cam_intrinsic=INTRINSIC), ann_info=info)
    )
    return LoadCameraAnnotations()(results)


def run(steps: list, results: dict) -> dict:
    for step in steps:
        results = step(results)
    return results


def projected_center(results: dict) -> np.ndarray:
    return results["camera"].project(results["gt_bboxes_3d"].gravity_center)[0].numpy()


def test_intrinsics_with_integer_pixel_centres():
    results = dict(img=blob_image(np.array([0.0, 0.0])), img_info=dict(cam_intrinsic=INTRINSIC))
    ours, integer = (
        LoadCameraImage()(results)["camera"],
        LoadCameraImage(first_pixel=0.0)(results)["camera"],
    )
    points = torch.tensor(
        [BOX[:3], [500.0, 0.0, 1.0], [-1.0, 0.3, 0.01]]
    )  # inside, clamped at the border, at the near plane
    torch.testing.assert_close(
        integer.each_point().project(points), ours.each_point().project(points) + 0.5
    )


@pytest.mark.parametrize("name", SEQUENCES)
def test_projected_center_follows_the_image(name: str):
    results = run(SEQUENCES[name], make_results())
    np.testing.assert_allclose(projected_center(results), centroid(results["img"]), atol=CENTROID)


@pytest.mark.parametrize("name", SEQUENCES)
def test_rectangle_follows_the_image(name: str):
    before = make_results()
    results = run(SEQUENCES[name], before)
    ratio = (
        results["img"].shape[1] / WIDTH
        if "crop" not in name and name not in ("odd size", "all")
        else None
    )
    if ratio:  # nothing was cut: the centre keeps its place in the rectangle
        left = (projected_center(results) - results["gt_bboxes"][0, :2])[0] / ratio
        expected = 80 if results["flip"] else 60
        assert left == pytest.approx(expected, abs=0.1)
    height, width = results["img"].shape[:2]
    assert (results["gt_bboxes"] >= 0).all() and (
        results["gt_bboxes"] <= [width, height, width, height]
    ).all()
    assert results["img_shape"] == results["img"].shape


@pytest.mark.parametrize("name", SEQUENCES)
def test_no_step_changes_what_it_was_given(name: str):
    results = make_results()
    kept = copy.deepcopy(results)
    run(SEQUENCES[name], results)
    for key in ("img", "gt_bboxes", "gt_labels_3d", "attr_labels", "visibility", "truncation"):
        np.testing.assert_array_equal(results[key], kept[key])
    assert torch.equal(results["gt_bboxes_3d"].tensor, kept["gt_bboxes_3d"].tensor)
    assert torch.equal(results["camera"].matrix, kept["camera"].matrix)
    assert (
        results["ann_info"]["gt_bboxes_3d"].tensor.tolist()
        == kept["ann_info"]["gt_bboxes_3d"].tensor.tolist()
    )


def test_flip_uses_the_width_of_the_image_as_it_is():
    # mmdet3d's RandomFlip3D mirrors at the width of the file, also when the image was cropped
    # before.
    cropped = CropImage((0, 0, 500, 480))(make_results())
    flipped = FlipImage(1.0)(cropped)
    assert flipped["camera"].matrix[0, 2] == pytest.approx(500 - INTRINSIC[0][2], abs=1e-4)


def test_resize_scales_the_camera():
    # mmdet3d's Resize leaves cam2img alone.
    resized = ResizeImage(0.5)(make_results())
    expected = np.array(INTRINSIC) * [[0.5], [0.5], [1.0]]
    np.testing.assert_allclose(resized["camera"].matrix, expected, rtol=1e-6)


def test_crop_and_resize_leave_the_boxes_in_space_alone():
    results = make_results()
    moved = run([CropImage((10, 20, 600, 400)), ResizeImage(0.5)], results)
    assert torch.equal(moved["gt_bboxes_3d"].tensor, results["gt_bboxes_3d"].tensor)


def crowd_of_labels(labels: list[int]) -> dict:
    """The results of an image with one small object a label, side by side."""
    results = make_results()
    x = np.linspace(20, WIDTH - 20, len(labels), dtype=np.float32)
    results["gt_bboxes"] = np.stack(
        [x - 1, np.full_like(x, 200), x + 1, np.full_like(x, 202)], axis=1
    )
    results["gt_labels_3d"], results["truncation"] = (
        np.array(labels),
        np.zeros(len(labels), dtype=np.float32),
    )
    return results


def corner_of(cropped: dict, whole: dict) -> np.ndarray:
    """The pixel of the whole image at the upper left corner of the cropped one."""
    return (whole["camera"].matrix - cropped["camera"].matrix)[:2, 2].numpy()


def test_a_window_has_its_size_and_the_centre_of_its_object():
    random.seed(0)
    results = make_results()
    cropped = [CropAroundObject((200, 160))(results) for _ in range(200)]
    assert {each["img"].shape for each in cropped} == {(160, 200, 3)}
    centers = np.array(
        [(each["gt_bboxes"][0, :2] + each["gt_bboxes"][0, 2:]) / 2 for each in cropped]
    )
    assert (centers >= 0).all() and (centers <= [200, 160]).all()
    whole = results["gt_bboxes"][0]
    places = (whole[:2] + whole[2:]) / 2 - np.array([corner_of(each, results) for each in cropped])
    # Uniform: 200 draws have a standard error of 2 % of the window.
    np.testing.assert_allclose(places.mean(axis=0) / [200, 160], 0.5, atol=0.08)


def test_a_window_favours_no_class():
    random.seed(0)
    results = crowd_of_labels([0] * 9 + [1])
    # A window of one pixel lies on the object that it was cut around.
    lefts = [corner_of(CropAroundObject((1, 1))(results), results)[0] for _ in range(400)]
    assert np.mean(np.array(lefts) > WIDTH - 25) == pytest.approx(0.5, abs=0.1)


def test_a_window_of_an_image_without_objects_or_smaller_than_it():
    random.seed(0)
    empty = FilterObjects(min_visibility=5)(make_results())
    assert CropAroundObject((200, 160))(empty)["img"].shape == (160, 200, 3)
    assert CropAroundObject((2000, 160))(make_results())["img"].shape == (160, WIDTH, 3)
    with pytest.raises(ValueError, match="positive"):
        CropAroundObject((0, 160))


def test_mirrored_boxes():
    boxes = CameraInstance3DBoxes([BOX], box_dim=9, origin=(0.5, 0.5, 0.5))
    mirrored = mirror_boxes(boxes).tensor[0]
    np.testing.assert_allclose(mirrored[[0, 6, 7]], [-BOX[0], math.pi - BOX[6], -BOX[7]], rtol=1e-6)
    assert torch.equal(mirrored[[1, 2, 3, 4, 5, 8]], boxes.tensor[0, [1, 2, 3, 4, 5, 8]])
    np.testing.assert_allclose(mirror_boxes(mirror_boxes(boxes)).tensor, boxes.tensor, atol=1e-6)


@pytest.mark.parametrize("yaw", [-3.1, -1.0, 0.0, 0.5, 3.1])
def test_mirrored_corners_are_the_corners_mirrored(yaw: float):
    boxes = CameraInstance3DBoxes([[*BOX[:6], yaw, 0.0, 0.0]], box_dim=9)
    mirrored = mirror_boxes(boxes)
    expected = boxes.corners[0] * torch.tensor([-1.0, 1.0, 1.0])
    distance = torch.cdist(mirrored.corners[0], expected)
    assert distance.min(dim=0).values.max() < 1e-4
    assert -math.pi <= mirrored.tensor[0, 6] <= math.pi


def test_unknown_velocity_survives_every_step():
    results = make_results()
    boxes = results["gt_bboxes_3d"].tensor.clone()
    boxes[:, 7:] = math.nan
    results = dict(results, gt_bboxes_3d=results["gt_bboxes_3d"].new_box(boxes))
    moved = run([*SEQUENCES["all"], FilterObjects()], results)
    assert moved["gt_bboxes_3d"].tensor[:, 7:].isnan().all()


def test_flip_happens_as_often_as_asked(monkeypatch: pytest.MonkeyPatch):
    assert not FlipImage(0.0)(make_results())["flip"]
    draws = iter([0.49, 0.51])
    monkeypatch.setattr("random.random", lambda: next(draws))
    assert FlipImage(0.5)(make_results())["flip"]
    assert not FlipImage(0.5)(make_results())["flip"]


def test_truncation_grows_with_the_crop():
    results = make_results()
    x1, _, x2, _ = results["gt_bboxes"][0]
    middle = round(float(x1 + x2) / 2)
    cut = CropImage((0, 0, middle, HEIGHT))(results)
    share = (middle - x1) / (x2 - x1)
    assert cut["truncation"][0] == pytest.approx(1 - 0.9 * share, abs=1e-5)
    gone = CropImage((0, 0, int(x1) - 5, HEIGHT))(results)
    assert gone["truncation"][0] == 1
    assert len(FilterObjects(min_box_size=0.0)(gone)["gt_bboxes"]) == 0


def test_a_crop_beyond_the_image_ends_at_its_border():
    assert CropImage((100, 100, 9999, 9999))(make_results())["img"].shape == (
        HEIGHT - 100,
        WIDTH - 100,
        3,
    )


def test_a_crop_beside_the_image_is_an_error():
    with pytest.raises(UserError, match="640x480"):
        CropImage((700, 0, 900, 100))(make_results())


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (dict(min_visibility=1, max_truncation=1.0, min_box_size=0.0), [0, 1, 2, 3]),
        (dict(min_visibility=2, max_truncation=1.0, min_box_size=0.0), [1, 2, 3]),
        (dict(min_visibility=1, max_truncation=0.8, min_box_size=0.0), [0, 1, 3]),
        (dict(min_visibility=1, max_truncation=1.0, min_box_size=4.0), [0, 1, 2]),
        (dict(), [1]),
        (dict(min_visibility=5), []),
    ],
)
def test_filter_drops_from_all_keys_alike(limits: dict, kept: list[int]):
    results = make_results()
    results = dict(
        results,
        gt_bboxes_3d=results["gt_bboxes_3d"].new_box(
            torch.tensor([BOX] * 4) + torch.arange(4.0)[:, None]
        ),
        gt_bboxes=np.array(
            [[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 3, 9]], dtype=np.float32
        ),
        gt_labels_3d=np.arange(4),
        attr_labels=np.arange(4),
        visibility=np.array([1, 2, 4, 4]),
        truncation=np.array([0.0, 0.8, 0.81, 0.5]),
    )
    left = FilterObjects(**limits)(results)
    assert left["gt_labels_3d"].tolist() == left["attr_labels"].tolist() == kept
    assert (left["gt_bboxes_3d"].tensor[:, 2] - BOX[2]).round().long().tolist() == kept
    assert len(left["gt_bboxes"]) == len(left["visibility"]) == len(left["truncation"]) == len(kept)


def test_an_image_of_another_size_than_annotated(tmp_path: Path):
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((90, 160, 3), np.uint8))
    info = dict(filename="image.png", cam_intrinsic=INTRINSIC, width=1600, height=900)
    with pytest.raises(UserError, match=r"160x90.*1600x900"):
        LoadCameraImage()(dict(img_prefix=str(tmp_path), img_info=info))
