"""Patches: the released reader's recorded numbers, and the laws of ours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from epropnp_det.object_pose.data.coordinate_maps import pixel_centers
from epropnp_det.object_pose.data.crops import (
    CropSettings,
    CropWindow,
    crop_image,
    crop_released,
    crop_window,
    released_window,
)
from tests import tolerances

SETTINGS = CropSettings()
SIZE = (640, 480)
NAMES = {1: "ape", 10: "eggbox"}


@pytest.fixture(scope="module")
def recorded(reference_folder: Path) -> dict:
    return torch.load(reference_folder / "lm_crops.pt", weights_only=True)


def decode(data: bytes, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(bytes(data), np.uint8), flags)


def window_of(item: dict) -> tuple:
    draws = item["draws"].numpy()
    return released_window(item["box"].numpy(), SIZE, SETTINGS, draws)


def test_released_windows(recorded: dict):
    for item in recorded["items"]:
        window = window_of(item)
        assert window.side == int(item["size"])
        assert window.center.tolist() == item["center"].tolist()


def test_released_images(recorded: dict):
    for item in recorded["items"]:
        image = decode(recorded["images_png"][int(item["index"])], cv2.IMREAD_COLOR)
        pixels = image.astype(np.float32) / 255
        patch = crop_released(pixels, window_of(item), recorded["inp_res"])
        wanted = item["crop"].numpy().transpose(1, 2, 0)
        assert np.abs(patch - wanted).max() < tolerances.COMPONENT


def test_released_masks(recorded: dict):
    for item in recorded["items"]:
        index = int(item["index"])
        label = decode(recorded["labels_png"][index])
        mask = (label == int(recorded["obj_id"][index])).astype(np.float32)
        patch = crop_released(mask, window_of(item), recorded["out_res"])
        assert np.abs(patch - item["target"][3].numpy()).max() < tolerances.COMPONENT


def test_released_coordinates(recorded: dict):
    for item in recorded["items"]:
        index = int(item["index"])
        object_id = int(recorded["obj_id"][index])
        x, y, width, height = recorded["boxes"][index].tolist()
        full = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
        full[y : y + height, x : x + width] = recorded["coor"][index].numpy()
        patch = crop_released(full, window_of(item), recorded["out_res"], cv2.INTER_NEAREST)
        half = recorded["half_extent"][NAMES[object_id]].numpy()
        wanted = item["target"][:3].numpy().transpose(1, 2, 0)
        # The reader blurs the coordinates on the mask's border; its other cells stay as they are.
        same = np.abs(patch / half - wanted).max(axis=-1) < tolerances.COMPONENT
        assert same.mean() > tolerances.UNBLURRED_CELLS


def test_where_ours_and_the_released_way_differ(recorded: dict):
    """By less than a pixel of rounding inside the image; by half the overhang on top of it where a
    patch overhangs the left, top or bottom border.
    """
    for item in recorded["items"]:
        released = window_of(item)
        ours = crop_window(item["box"].numpy(), SETTINGS, item["draws"].numpy())
        assert 0 <= ours.side - released.side < 1
        low = np.array(released.low)
        slide = np.maximum(-low, 0) / 2
        slide[1] -= max(low[1] + released.side - SIZE[1], 0) / 2
        difference = released.center - ours.center - slide
        assert np.abs(difference).max() <= 1.0, item["index"]


def test_ours_is_the_released_patch_where_whole_pixels_suffice(recorded: dict):
    item = recorded["items"][0]
    image = decode(recorded["images_png"][0], cv2.IMREAD_COLOR)
    released = window_of(item)
    ours = CropWindow(np.array(released.low, dtype=np.float64), float(released.side))
    enlarged = 2 * released.side
    one = crop_image(image, ours, enlarged).astype(int)
    other = crop_released(image, released, enlarged).astype(int)
    inner = np.s_[2:-2, 2:-2]  # released patches end at their border, ours show what lies beyond
    assert np.abs(one - other)[inner].max() <= tolerances.FIXED_POINT_LEVELS


@pytest.mark.parametrize("box", [(100, 80, 60, 40), (-20, 30, 90, 200), (600, 440, 70, 50)])
def test_the_centre_stays_at_every_border(box: tuple):
    window = crop_window(np.array(box), SETTINGS)
    assert np.abs(window.center - (box[0] + box[2] / 2, box[1] + box[3] / 2)).max() < 1e-9
    assert window.side == 1.5 * max(box[2:])


@pytest.mark.parametrize("side, size", [(50.5, 64), (64.0, 64), (150.3, 64), (301.7, 32)])
def test_a_patch_shows_the_pixels_of_its_cells(side: float, size: int):
    ramp = pixel_centers(*SIZE).astype(np.float32)  # every pixel holds its own x and y
    window = CropWindow(np.array([120.3, 80.7]), side)
    shown = crop_image(ramp, window, size)
    assert np.abs(shown - window.cell_centers(size)).max() < tolerances.FIXED_POINT_PIXEL


def test_outside_is_black():
    image = np.full((48, 64, 3), 200, np.uint8)
    patch = crop_image(image, CropWindow(np.array([-32.0, -16.0]), 64.0), 32)
    assert (patch[:, :15] == 0).all() and (patch[:7] == 0).all() and (patch[9:, 17:] == 200).all()


def test_jitter_has_its_bounds():
    box = np.array([100.0, 80.0, 60.0, 40.0])
    low = crop_window(box, SETTINGS, np.zeros(3))
    high = crop_window(box, SETTINGS, np.ones(3))
    assert (low.side, high.side) == (67.5, 112.5)
    assert low.center.tolist() == [115.0, 90.0] and high.center.tolist() == [145.0, 110.0]
    assert crop_window(np.array([0, 0, 600, 400]), SETTINGS).side == 640
