"""Settings of the object head: keys of earlier configs, and class sets other than nuScenes'."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from mmdet3d.models import build_head

from epropnp_det.detection.data.class_set import class_set
from epropnp_det.detection.heads.object_head import ObjectSettings
from epropnp_det.engine.checkpoint import load_weights
from epropnp_det.engine.config import build_model, load_config

from ..small import NORM, PNP, V2, build

SYNTHETIC = Path(__file__).parents[3] / "configs" / "detection" / "synthetic"
OWN = dict(
    class_names=("sedan", "walker", "rider"),
    size_mean=((4.5, 1.5, 1.8), (0.6, 1.7, 0.6), (1.8, 1.6, 0.7)),
    size_std=((0.5, 0.2, 0.2), (0.1, 0.1, 0.1), (0.2, 0.2, 0.1)),
    attributes=("walking", "standing", "none"),
    admitted_attributes=dict(walker=("walking", "standing")),
)


@pytest.mark.parametrize(
    "key, current, value",
    [
        ("by_rays", "ray_encoding", True),
        ("cell_maps", "legacy", "v1"),
        ("shrunk_mask", "legacy", "v2"),
    ],
)
def test_a_key_of_earlier_configs_is_translated_with_one_warning(key, current, value):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        old = ObjectSettings.from_config({"norm_cfg": NORM, key: True})
    assert [str(one.message) for one in caught] == [
        f"objects: {key}=True is now {current}={value!r}"
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert old == ObjectSettings.from_config({"norm_cfg": NORM, current: value})


def test_keys_of_earlier_configs_that_exclude_each_other_are_refused():
    with pytest.raises(ValueError, match="shrunk_mask excludes legacy='v1'"):
        ObjectSettings.from_config(dict(norm_cfg=NORM, cell_maps=True, shrunk_mask=True))


def test_a_switch_that_is_off_changes_nothing():
    off = ObjectSettings.from_config(dict(norm_cfg=NORM, cell_maps=False, shrunk_mask=True))
    assert off.legacy == "v2"


def own_head(**changes):
    model = load_config(SYNTHETIC / "epropnp_r18_synthetic.py").model
    settings = dict(model.bbox_head, classes=OWN, **changes)
    test_cfg = dict(score_threshold=0.0, max_queries=30, nms_2d=1.0, nms_bev=1.0, pnp=PNP)
    return build_head(dict(settings, train_cfg=model.train_cfg, test_cfg=test_cfg)).eval()


@torch.no_grad()
def test_three_own_classes_give_their_sizes_and_attributes():
    torch.manual_seed(0)
    head = own_head()
    assert head.dense_head.num_classes == 3
    branches = head.objects.branches
    assert branches.attribute.out_features == 3
    label = torch.tensor([0, 1, 2])
    decoded = branches.coder.decode(torch.zeros(3, 3), label)
    torch.testing.assert_close(decoded, torch.tensor(OWN["size_mean"]))
    torch.testing.assert_close(
        branches.coder.encode(decoded + torch.tensor(OWN["size_std"]), label),
        ((decoded + torch.tensor(OWN["size_std"])) / decoded).log()
        * decoded
        / torch.tensor(OWN["size_std"]),
    )


@pytest.mark.parametrize("key, value", [("num_classes", 10), ("num_attributes", 9)])
def test_numbers_that_disagree_with_the_classes_are_refused(key, value):
    with pytest.raises(ValueError, match=f"{key}={value}, but there are 3"):
        own_head(**{key: value})


def test_configs_without_classes_have_those_of_nuscenes(recorded_step):
    assert build(recorded_step["cfg"]).classes == class_set()


def test_the_config_of_nuscenes_is_the_default():
    """The config repeats the values, so that they can be read and changed there."""
    config = class_set(V2.model.bbox_head.classes)
    default = class_set()
    for name in ("class_names", "size_mean", "size_std", "attributes", "admitted"):
        assert tuple(getattr(config, name)) == tuple(getattr(default, name)), name
    assert config.detection_range == default.detection_range


def test_the_shipped_weights_fit_without_a_key_left_over():
    model = build_model(load_config(SYNTHETIC / "epropnp_r18_varied.py"))
    load_weights(model, SYNTHETIC / "epropnp_r18_varied.pth")
    assert model.bbox_head.losses["pose"].scale > 1
