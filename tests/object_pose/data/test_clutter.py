"""Random shapes behind the objects."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet.core import BitmapMasks

from epropnp_det.errors import UserError
from epropnp_det.object_pose.data.background_steps import DrawClutter
from epropnp_det.object_pose.data.clutter import draw_clutter

SIZE = 96


def test_clutter_covers_part_of_most_backgrounds():
    behind = np.full((SIZE, SIZE, 3), 2.0, np.float32)
    covered = []
    for seed in range(30):
        picture = draw_clutter(behind, np.random.default_rng(seed))
        shapes = (picture != behind).any(-1)
        assert (picture[shapes] >= 0).all() and (picture[shapes] <= 1).all()
        covered.append(shapes.mean())
    assert (behind == 2).all()
    assert 0.2 < np.mean(covered) < 0.9 and min(covered) < 0.2


def test_clutter_depends_on_the_seed_alone():
    behind = np.zeros((SIZE, SIZE, 3), np.float32)
    first = draw_clutter(behind, np.random.default_rng(0))
    assert np.array_equal(first, draw_clutter(behind, np.random.default_rng(0)))
    assert not np.array_equal(first, draw_clutter(behind, np.random.default_rng(1)))


def whole_image(number_of_masks: int) -> dict:
    """What mmdet's steps pass on: a grey image and the masks of its objects."""
    masks = np.zeros((number_of_masks, 48, 64), np.uint8)
    for index, mask in enumerate(masks):
        mask[10:40, 10 * index : 10 * index + 10] = 1
    return dict(img=np.full((48, 64, 3), 100, np.uint8), gt_masks=BitmapMasks(masks, 48, 64))


@pytest.mark.parametrize("number_of_masks", [0, 1, 2])
def test_clutter_of_whole_images_is_behind_the_objects(number_of_masks):
    np.random.seed(0)
    results = whole_image(number_of_masks)
    shown = results["gt_masks"].to_ndarray().any(0)
    changed = np.mean([DrawClutter(1.0)(results)["img"] != 100 for _ in range(30)], axis=0).any(-1)
    assert not changed[shown].any()
    assert changed[~shown].mean() > 0.9
    assert (results["img"] == 100).all()


def test_clutter_of_whole_images_follows_its_share():
    np.random.seed(0)
    results = whole_image(1)
    drawn = [DrawClutter(0.3)(results) is not results for _ in range(300)]
    assert 0.2 < np.mean(drawn) < 0.4
    assert DrawClutter(0.0)(results) is results
    with pytest.raises(UserError, match=r"share is 1\.5; it must be from 0 to 1"):
        DrawClutter(1.5)
