"""Pictures of single objects: the right part of the image, the heading that the camera sees."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from epropnp_det.detection.data.nuscenes_classes import CLASSES
from epropnp_det.detection.data.symmetric_yaw import HALF_TURN_CLASSES
from epropnp_det.detection.pretraining.object_crops import ObjectCropDataset, square_around
from epropnp_det.errors import UserError

NORM = dict(mean=(120.0, 115.0, 100.0), std=(58.0, 57.0, 57.0))
ALL = dict(min_visibility=1, max_truncation=1.0, min_box_size=0.0)


@pytest.fixture(scope="module")
def make(database: Path):
    def crops(limits: dict = ALL, **settings) -> ObjectCropDataset:
        ann_file = str(database / "nuscenes_mini_infos_train_mono3d.coco.json")
        return ObjectCropDataset(str(database), ann_file, limits=limits, **NORM, **settings)

    return crops


@pytest.mark.parametrize("side", [24, 96, 300])
def test_the_object_is_in_the_middle_of_its_square(side: int):
    image = np.zeros((200, 300, 3), np.uint8)
    image[60:120, 150:190] = 255
    square = square_around(image, [150, 60, 40, 60], context=1.5, side=side)
    white = np.argwhere(square[..., 0] > 127) + 0.5
    assert square.shape == (side, side, 3)
    np.testing.assert_allclose(white.mean(axis=0) / side, 0.5, atol=0.6 / side + 0.01)
    np.testing.assert_allclose(
        (np.ptp(white, axis=0) + 1) / side, [1 / 1.5, 40 / 90], atol=1.5 / side
    )


def test_items(make):
    random.seed(0)
    dataset = make()
    assert len(dataset) == len(dataset.labels) > 4
    item = dataset[0]
    assert item["img"].data.shape == (3, 64, 64) and item["img"].data.dtype == torch.float32
    unknown = np.isnan(dataset.headings)
    assert np.array_equal(unknown, [CLASSES[label] == "traffic_cone" for label in dataset.labels])
    turned = np.isin(dataset.labels, [CLASSES.index(name) for name in HALF_TURN_CLASSES])
    assert (np.abs(dataset.headings[turned & ~unknown]) <= math.pi / 2).all()
    headings = {
        round(abs(dataset[int(np.flatnonzero(~unknown)[0])]["heading"]), 6) for _ in range(8)
    }
    assert len(headings) == 1  # mirrored or not


def test_classes_are_an_argument(make):
    whole = make()
    some = make(classes=("pedestrian", "car"))
    assert whole.CLASSES == CLASSES and some.CLASSES == ("pedestrian", "car")
    for label, name in enumerate(some.CLASSES):
        expected = whole.headings[whole.labels == CLASSES.index(name)]
        np.testing.assert_array_equal(some.headings[some.labels == label], expected)
    without = make(classes=("car",), classes_without_heading=("car",))
    assert np.isnan(without.headings).all()


def test_a_share_of_the_images_and_limits(make):
    whole, half = make(), make(share=0.5)
    assert 0 < len(half) < len(whole)
    assert len(make(limits=dict(ALL, min_visibility=3))) <= len(whole)
    with pytest.raises(UserError, match="loosen them"):
        make(limits=dict(ALL, min_box_size=5000.0))
