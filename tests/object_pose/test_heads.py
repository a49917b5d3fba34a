"""Channels of the head belong to objects, and both initialisations are those of the released
programs.
"""

from __future__ import annotations

import math

import pytest
import torch

from epropnp_det.object_pose.heads import CorrespondenceHead
from epropnp_det.object_pose.network import UpsamplingDecoder


def test_objects_have_their_own_channels():
    torch.manual_seed(0)
    head = CorrespondenceHead(16, objects=3)
    feature = torch.randn(1, 16, 8, 8).expand(3, -1, -1, -1)
    maps = head(feature, torch.tensor([2, 0, 2]))
    assert torch.equal(maps.noc[0], maps.noc[2]) and torch.equal(maps.scale[0], maps.scale[2])
    assert not torch.isclose(maps.noc[0], maps.noc[1]).any()
    (maps.noc.sum() + maps.logit.sum() + maps.scale.sum()).backward()
    touched = head.output.weight.grad.flatten(1).any(1).unflatten(0, (3, 5)).any(1)
    assert touched.tolist() == [True, False, True]


def test_class_agnostic_head_does_not_see_the_object():
    torch.manual_seed(0)
    head = CorrespondenceHead(16)
    feature = torch.randn(1, 16, 8, 8).expand(3, -1, -1, -1)
    maps = head(feature, torch.tensor([2, 0, 1]))
    assert torch.equal(maps.noc[0], maps.noc[1]) and torch.equal(maps.logit[0], maps.logit[2])


def test_v2_begins_with_equal_weights_and_a_scale_of_twenty():
    torch.manual_seed(0)
    head = CorrespondenceHead(256, objects=4)
    head.init_weights()
    maps = head(torch.randn(4, 256, 8, 8), torch.arange(4))
    assert (maps.logit == maps.logit[..., :1, :1]).all()
    torch.testing.assert_close(maps.scale, torch.full((4, 2), math.exp(3.0)))
    coordinates = head.output.weight.unflatten(0, (4, 5))[:, :3]
    assert coordinates.std().item() == pytest.approx(0.001, rel=0.1)


def test_v1_begins_with_small_normal_weights():
    torch.manual_seed(0)
    head = CorrespondenceHead(256, initialization="v1")
    decoder = UpsamplingDecoder(initialization="v1", out_channels=64)
    head.init_weights()
    decoder.init_weights()
    convolutions = [m.weight for m in decoder.modules() if hasattr(m, "kernel_size")]
    assert len(convolutions) == 9
    for weight in (head.output.weight, head.log_scale.weight, *convolutions):
        assert weight.std().item() == pytest.approx(0.001, rel=0.1)


def test_v2_decoder_is_kaiming_uniform():
    torch.manual_seed(0)
    decoder = UpsamplingDecoder()
    decoder.init_weights()
    for layer in decoder.features[::3]:
        bound = math.sqrt(6 / (layer.weight[0].numel()))
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)


def test_unknown_initialization_is_named():
    with pytest.raises(ValueError, match="unknown initialization 'v3'; use one of v1, v2"):
        CorrespondenceHead(16, initialization="v3")
