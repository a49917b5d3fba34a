"""Building blocks against recorded numbers of the released v2 program."""

from __future__ import annotations

import torch

from epropnp_det.detection.data.class_set import class_set
from epropnp_det.detection.heads.coders import SinePositionalEncoding, SizeCoder
from tests.tolerances import COMPONENT


def close(a, b):
    torch.testing.assert_close(a, b, rtol=COMPONENT, atol=COMPONENT)


def test_size_coder(components):
    recorded = components["dim_coder"]
    coder = SizeCoder(class_set().size_mean, class_set().size_std)
    close(coder.encode(recorded["dims"], recorded["labels"]), recorded["encode"])
    close(coder.decode(recorded["code"], recorded["labels"]), recorded["decode"])


def test_size_coder_round_trip():
    label = torch.arange(10)
    size = torch.rand(10, 3, generator=torch.Generator().manual_seed(0)) * 4 + 0.2
    coder = SizeCoder(class_set().size_mean, class_set().size_std)
    close(coder.decode(coder.encode(size, label), label), size)


def test_positional_encoding(components):
    recorded = components["positional_encoding"]
    encoding = SinePositionalEncoding(recorded["num_feats"])
    close(
        encoding(recorded["points_xy"], recorded["img_shapes_hw"].flip(-1)), recorded["points_enc"]
    )
    close(encoding.of_map(~recorded["mask"]), recorded["enc"])


def test_a_cell_is_encoded_like_the_point_at_its_centre():
    encoding, valid = SinePositionalEncoding(8), torch.ones(1, 6, 9, dtype=torch.bool)
    centre = torch.tensor([4.5, 2.5])
    close(encoding.of_map(valid)[0, :, 2, 4], encoding(centre, torch.tensor([9.0, 6.0])))
