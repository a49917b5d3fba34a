"""Wrong values of a config end in one line, before anything is built from them."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from epropnp_det.engine.config import build_model, check_first_item, load_config
from epropnp_det.engine.config_values import FLAGS, LIMITS, check_values
from epropnp_det.errors import UserError

CONFIGS = Path(__file__).parents[2] / "configs"
DEBUG = CONFIGS / "detection" / "debug" / "one_frame.py"

# What no number of a config may be, and what no flag may be.
NO_NUMBERS = ["text", True, math.nan, math.inf, -math.inf, 10**12, 1e300, 10**400, -2, None]
NO_FLAGS = ["text", 0, 1, None]
KINDS = [
    ("optimizer.lr", "text", "'text' is text; .* it is a number, 0.001"),
    ("optimizer.lr", [0.1], r"\[0.1\] is a list; .* it is a number"),
    ("optimizer.lr", {}, "{} is a dict; .* it is a number"),
    ("optimizer.lr", True, "True is True or False; .* it is a number"),
    ("optimizer", "text", "'text' is text; .* it is a dict"),
    ("model.bbox_head.losses.cls.use_sigmoid", 1, "1 is a number; .* it is True or False"),
    ("model.neck.in_channels", "text", None),
    ("model.neck.in_channels", 3, r"3 is a number; .* it is a list"),
    ("data.train.ann_file", 3, "3 is a number; .* it is text"),
    ("log_config.hooks", {}, "{} is a dict; .* it is a list"),
]


def numbers(value: Any, key: str) -> list[str]:
    """Keys of all settings with limits, as dotted paths."""
    if isinstance(value, dict):
        return [found for name in value for found in numbers(value[name], f"{key}.{name}")]
    if isinstance(value, (list, tuple)):
        return [found for i, item in enumerate(value) for found in numbers(item, f"{key}.{i}")]
    return [key] if key.rpartition(".")[2] in (LIMITS.keys() | FLAGS) else []


PARTS = ("model", "optimizer", "optimizer_config", "lr_config", "runner", "data")
CONFIG = load_config(DEBUG)
LEAVES = [key for part in PARTS for key in numbers(CONFIG._cfg_dict[part], part)]


def changed(key: str, value: object) -> Config:
    """The config with another value, as a file may have it."""
    config = copy.deepcopy(CONFIG)
    config.merge_from_dict({key: value})
    return config


def test_most_settings_of_a_config_have_limits():
    assert len(LEAVES) > 80


@pytest.mark.parametrize("key", LEAVES)
def test_a_number_or_flag_of_a_file_has_its_kind_and_range(key: str):
    """Without the comparison of options with the file: a file may have any value."""
    wrong = NO_FLAGS if key.rpartition(".")[2] in FLAGS else NO_NUMBERS
    for value in wrong:
        config = changed(key, value)
        with pytest.raises(UserError, match=rf"one_frame\.py: {key} is .*; it must be") as raised:
            check_values(config._cfg_dict, DEBUG)
        assert len(str(raised.value)) < 300


@pytest.mark.parametrize(("key", "value", "fault"), KINDS)
def test_an_option_has_the_kind_of_the_value_that_it_changes(
    key: str, value: object, fault: str | None
):
    if fault is None:  # text may stand for a list, as in a list of metrics
        load_config(DEBUG, {key: value})
        return
    with pytest.raises(UserError, match=rf"option {key}: {fault}"):
        load_config(DEBUG, {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lr_config.step", [8, 11]),
        ("evaluation.metric", ["distance", "iou"]),
        ("optimizer_config.grad_clip", None),
        ("model.neck.add_extra_convs", True),
        ("optimizer.betas", (0.9, 0.99)),
        ("optimizer.lr", 1),
        ("model.train_cfg.assignment.ranges", [(-1, 1e8)]),
    ],
)
def test_what_a_setting_may_also_be(key: str, value: object):
    load_config(DEBUG, {key: value})


@pytest.mark.parametrize("part", ["model", "data", "optimizer", "runner"])
@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_the_parts_of_a_config_are_dicts(part: str, value: object, tmp_path: Path):
    (tmp_path / "a.py").write_text(f"{part} = {value!r}\n")
    with pytest.raises(UserError, match=rf"a\.py: {part} is .*; it must be a dict"):
        load_config(tmp_path / "a.py")


def test_the_message_has_the_limits():
    for key, value, limits in [
        ("optimizer.lr", -1, "a number from 0"),
        ("model.train_cfg.pnp.mc_samples", 1.5, "a whole number from 1 to 100000"),
        ("model.test_cfg.nms_2d", 2, "a number from 0 to 1"),
        ("optimizer_config.grad_clip.max_norm", 0, "a number above 0"),
    ]:
        with pytest.raises(UserError, match=rf"{key} is {value}; it must be {limits}$"):
            load_config(DEBUG, {key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.type", None),
        ("model.type", []),
        ("model.backbone", None),
        ("model.backbone.depth", 17),
        ("model.backbone.out_indices", [9]),
        ("model.backbone.norm_cfg", []),
        ("model.backbone.norm_cfg.num_groups", 7),
        ("model.neck.num_outs", 2),
        ("model.bbox_head", "text"),
        ("model.bbox_head.classes.size_mean", [[1, 1, 1]]),
        ("model.bbox_head.dense_head.strides", []),
        ("model.bbox_head.dense_head.cls_branch", []),
        ("model.bbox_head.objects.level_channels", ["text"]),
        ("model.bbox_head.losses.pose", None),
        ("model.train_cfg.assignment.ranges", None),
        ("model.train_cfg.pnp", []),
        ("model.train_cfg.pnp.solver", "text"),
        ("model.test_cfg.bogus", 1),
        ("model.train_cfg.bogus", 1),
    ],
)
def test_settings_that_build_nothing_are_one_line(key: str, value: object):
    with pytest.raises(UserError, match=r"model settings of .*one_frame\.py: \S"):
        build_model(changed(key, value))


def test_an_image_that_is_not_finite_is_one_line():
    for std, is_wrong in ((1.0, False), (0.0, True)):
        images = [dict(img=torch.zeros(3, 4, 4) / std)]
        if is_wrong:
            with pytest.raises(UserError, match=r"data\.val\.pipeline .*image is not finite"):
                check_first_item(images, "data.val", CONFIG)
        else:
            check_first_item(images, "data.val", CONFIG)


class FailingDataset:
    """A dataset whose pipeline raises an exception."""

    def __init__(self, error: Exception):
        self.error = error

    def __getitem__(self, index: int) -> dict:
        raise self.error


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("division by zero"), KeyError("img"), IndexError()]
)
def test_a_pipeline_that_fails_is_one_line(error: Exception):
    with pytest.raises(UserError, match=r"data\.train\.pipeline settings of .*one_frame\.py: \S"):
        check_first_item(FailingDataset(error), "data.train", CONFIG)
