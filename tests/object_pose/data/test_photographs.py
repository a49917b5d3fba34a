"""Photographs behind the objects of patches and of whole images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.core import BitmapMasks

from epropnp_det.errors import ImageError, UserError
from epropnp_det.object_pose.data.background_steps import PastePhotograph
from epropnp_det.object_pose.data.coco_pipelines import coco_train_pipeline
from epropnp_det.object_pose.data.photographs import Photographs
from epropnp_det.object_pose.data.rendering import color_levels
from epropnp_det.object_pose.data.stored_crops import StoredCrops

SIZE = (48, 36)
# Blue rises from left to right, green from top to bottom; red marks the second photograph.
LEVELS = (200, 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    row, column = np.mgrid[:120, :160]
    for index in range(2):
        red = np.full_like(row, LEVELS[index])
        picture = np.stack([column + 20, row + 20, red], axis=-1)
        cv2.imwrite(str(folder / f"{index}.png"), picture.astype(np.uint8))
    return folder


def test_windows_are_parts_of_the_photographs(folder: Path) -> None:
    photographs = Photographs(str(folder))
    rng = np.random.default_rng(0)
    seen = [photographs.window(SIZE, rng) for _ in range(60)]
    assert {each.shape for each in seen} == {(36, 48, 3)}
    assert {int(each[0, 0, 0]) for each in seen} == set(LEVELS)
    assert {bool(each[0, 0, 2] < each[0, -1, 2]) for each in seen} == {True, False}
    for each in seen:
        across = abs(float(each[0, -1, 2]) - float(each[0, 0, 2]))
        down = float(each[-1, 0, 1]) - float(each[0, 0, 1])
        # From 0.3 to the whole of 160 x 120 px, in its own proportions.
        assert 0.28 * 160 < across + 3.5 < 1.03 * 160
        assert across / down == pytest.approx(160 / 120, abs=0.1)


def test_a_window_depends_on_the_seed_alone(folder: Path) -> None:
    one = Photographs(str(folder))
    first = one.window(SIZE, np.random.default_rng(1))
    assert np.array_equal(first, one.window(SIZE, np.random.default_rng(1)))
    other = Photographs(str(folder / "*.png"))
    assert np.array_equal(first, other.window(SIZE, np.random.default_rng(1)))


@pytest.mark.parametrize("size", [(640, 480), (1, 1), (3, 200)])
def test_windows_have_any_size(folder: Path, size: tuple[int, int]) -> None:
    window = Photographs(str(folder)).window(size, np.random.default_rng(0))
    assert window.shape == (size[1], size[0], 3)


def test_missing_and_broken_photographs_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        Photographs(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="has no image"):
        Photographs(str(tmp_path))
    (tmp_path / "half.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match=r"half\.jpg"):
        Photographs(str(tmp_path)).window(SIZE, np.random.default_rng(0))


# --- whole images ---


def whole_image() -> dict:
    """What mmdet's steps pass on: a grey image and the mask of an object."""
    mask = np.zeros((1, 36, 48), np.uint8)
    mask[0, 10:20, 10:30] = 1
    return dict(img=np.full((36, 48, 3), 7, np.uint8), gt_masks=BitmapMasks(mask, 36, 48))


def test_whole_images_keep_their_objects(folder: Path) -> None:
    np.random.seed(0)
    results = whole_image()
    shown = results["gt_masks"].to_ndarray().any(0)
    changed = PastePhotograph(str(folder), 1.0)(results)["img"]
    assert (changed[shown] == 7).all() and (results["img"] == 7).all()
    # BGR: the last channel is red.
    assert np.isin(changed[~shown][:, 2], LEVELS).all()


def test_the_share_of_whole_images(folder: Path) -> None:
    np.random.seed(0)
    results = whole_image()
    step = PastePhotograph(str(folder), 0.3)
    assert 0.2 < np.mean([step(results) is not results for _ in range(300)]) < 0.4
    with pytest.raises(UserError, match=r"share is -1; it must be from 0 to 1"):
        PastePhotograph(str(folder), -1)


def test_photographs_are_a_step_of_the_pipeline_where_they_are_named() -> None:
    def steps(**settings):
        return [step["type"] for step in coco_train_pipeline((320, 240), **settings)]

    assert "PastePhotograph" not in steps()
    added = steps(photographs="photographs")
    assert added.index("PastePhotograph") == added.index("DrawClutter") + 1


# --- patches ---


def patches(root: Path, **settings) -> StoredCrops:
    sizes = dict(patch=dict(size=64), cells=16)
    return StoredCrops(str(root / "cache"), 2, root=str(root), **sizes, **settings)


def test_photographs_change_the_picture_of_a_patch_alone(root: Path, folder: Path) -> None:
    plain = patches(root)
    changed = patches(root, photographs=str(folder), photograph_share=1.0)
    for index in range(2):
        one = changed[index]
        other = plain[index]
        assert torch.equal(one["img"], changed[index]["img"])
        assert not torch.equal(one["img"], other["img"])
        for name in one.keys() - {"img"}:
            assert torch.equal(one[name], other[name]), name


def test_photographs_are_behind_a_share_of_the_patches(root: Path, folder: Path) -> None:
    dataset = patches(root, photographs=str(folder), photograph_share=0.5)
    rng = np.random.default_rng(0)
    reds = [color_levels(dataset.behind(rng).clip(0, 1))[..., 0] for _ in range(100)]
    shown = [np.isin(red, LEVELS).all() for red in reds]
    assert 0.3 < np.mean(shown) < 0.7
    with pytest.raises(UserError, match=r"photograph_share is 2; it must be from 0 to 1"):
        patches(root, photographs=str(folder), photograph_share=2)
