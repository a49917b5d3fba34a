"""Each neck returns one map."""

from __future__ import annotations

import torch

from epropnp_det.object_pose.network import FinestPyramidLevel, UpsamplingDecoder

CHANNELS = (24, 40, 112, 320)


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
