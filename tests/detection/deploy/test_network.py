"""The exported network in torch has the objects of the detector, and its operators are those that
they replace.
"""

from __future__ import annotations

import pytest
import torch
from mmcv.ops import ModulatedDeformConv2dPack
from torch import nn

from epropnp_det.detection.deploy.network import (
    ClosedFormCamera,
    DeformableConvolution,
    ExportableNetwork,
    look_up_equal_counts,
)
from epropnp_det.detection.deploy.runtime import scored_objects
from epropnp_det.detection.heads.deformable_correspondence import sample_heads
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.pnp import Camera
from tests.tolerances import EXACT, EXACT_FLOAT32


def test_the_exported_network_has_the_objects_of_the_detector(model: nn.Module):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 128, 160, generator=generator)
    matrix = torch.tensor([[633.0, 0, 80], [0, 633, 60], [0, 0, 1]]).repeat(2, 1, 1)
    size = torch.tensor([[160.0, 120.0], [150.0, 128.0]])
    geometry = ImageGeometry(Camera.for_image(matrix, size), size)
    expected = model.find_objects(images, geometry)
    with torch.no_grad():
        outputs = ExportableNetwork(model)(images, matrix, size)
    threshold = model.bbox_head.postprocess.score_threshold
    found = scored_objects(outputs, threshold)
    assert len(found.label) > 20
    for name in ("image", "label", "class_score"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    points = found.predictions.correspondences()
    for name, value in vars(expected.predictions.correspondences()).items():
        if value is not None:
            torch.testing.assert_close(
                getattr(points, name), value, rtol=EXACT_FLOAT32, atol=EXACT_FLOAT32
            )
    for name in ("size", "score", "velocity", "attribute"):
        torch.testing.assert_close(
            getattr(found.predictions, name),
            getattr(expected.predictions, name),
            rtol=EXACT_FLOAT32,
            atol=EXACT_FLOAT32,
        )


@pytest.mark.parametrize(("stride", "groups"), [(1, 1), (2, 1), (1, 2)])
def test_deformable_convolutions_are_those_of_mmcv(stride: int, groups: int):
    torch.manual_seed(0)
    layer = ModulatedDeformConv2dPack(4, 6, 3, stride=stride, padding=1, deform_groups=groups)
    nn.init.normal_(layer.conv_offset.weight, std=0.3)
    image = torch.randn(2, 4, 12, 16)
    torch.testing.assert_close(DeformableConvolution(layer)(image), layer(image))


def test_rays_without_an_inverse_are_those_of_the_camera():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(5, 3, 3, generator=generator, dtype=torch.float64)
    matrix = torch.tensor([[900.0, 3, 800], [0, 950, 450], [0, 0, 1]]).double() @ (
        torch.eye(3).double() + 0.05 * noise
    )
    pixel = 1600 * torch.rand(7, 5, 2, generator=generator, dtype=torch.float64)
    expected = Camera.for_image(matrix, (1600, 900)).ray(pixel)
    found = ClosedFormCamera.for_image(matrix, (1600, 900)).ray(pixel)
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)


def test_one_look_up_for_all_images_reads_what_one_for_each_reads():
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(2, 4 * 3, 6, 9, generator=generator, dtype=torch.float64)
    location = 100 * torch.rand(10, 4, 5, 2, generator=generator, dtype=torch.float64) - 10
    image = torch.arange(2).repeat_interleave(5)
    expected = sample_heads(feature, location, image, 8)
    found = look_up_equal_counts(feature, location, image, 8)
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)
