"""Positions and velocities relative to the viewing rays: a window cut out of an image gives the
predictions of the image.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from epropnp_det.detection.data.class_set import class_set
from epropnp_det.detection.heads.object_head import ObjectHead, ObjectSettings, from_ray
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.queries import Queries
from epropnp_det.pnp import YawPose
from tests.tolerances import EXACT

from ..small import CAMERA

STRIDE, EMBED, COUNT = 8, 32, 20
WINDOW = (64, 40, 128, 64)  # x0, y0, width, height: whole cells


@pytest.fixture(scope="module")
def objects() -> ObjectHead:
    torch.manual_seed(0)
    settings = ObjectSettings(
        embed_dims=EMBED,
        heads=4,
        points=4,
        level_channels=(16, 8),
        dense_channels=16,
        ffn_channels=16,
        levels=1,
        point_ffn_channels=16,
        dropout=0.0,
        ray_encoding=True,
        norm_cfg=dict(type="GN", num_groups=4),
    )
    return ObjectHead(class_set(), 16, settings).double().eval()


def geometry() -> ImageGeometry:
    return ImageGeometry(
        CAMERA[None].to(torch.float64), torch.tensor([[224.0, 128.0]], dtype=torch.float64)
    )


def window() -> ImageGeometry:
    x0, y0, width, height = WINDOW
    return ImageGeometry(
        geometry().camera.crop(x0, y0), torch.tensor([[width, height]], dtype=torch.float64)
    )


def queries() -> Queries:
    generator = torch.Generator().manual_seed(1)
    x0, y0, width, height = WINDOW
    margin = 16  # points lie up to 8 px away, and are read from cells of 8 px
    room = torch.tensor([width - 2 * margin, height - 2 * margin])
    inside = torch.rand(COUNT, 2, generator=generator, dtype=torch.float64) * room + torch.tensor(
        [x0 + margin, y0 + margin]
    )
    embedding = torch.randn(COUNT, EMBED, generator=generator, dtype=torch.float64)
    return Queries(
        torch.zeros(COUNT, dtype=torch.long),
        torch.arange(COUNT) % 10,
        inside,
        torch.full((COUNT,), 2.0).double(),
        embedding,
    )


def in_window(found: Queries) -> Queries:
    return replace(found, reference=found.reference - torch.tensor(WINDOW[:2]))


@torch.no_grad()
def test_attention_queries_are_the_same_in_a_window(objects: ObjectHead):
    whole, part = (
        objects.attention_query(queries(), geometry()),
        objects.attention_query(in_window(queries()), window()),
    )
    torch.testing.assert_close(part, whole, rtol=EXACT, atol=EXACT)


@torch.no_grad()
def test_keys_of_a_window_are_those_of_the_image(objects: ObjectHead):
    """Features are the same everywhere, so that the positions alone make keys differ."""
    x0, y0, width, height = (value // STRIDE for value in WINDOW)
    whole, _ = objects.dense_maps([torch.zeros(1, 16, 16, 28).double()], geometry())
    part, _ = objects.dense_maps([torch.zeros(1, 16, height, width).double()], window())
    torch.testing.assert_close(
        part, whole[..., y0 : y0 + height, x0 : x0 + width], rtol=EXACT, atol=EXACT
    )
    assert (whole[..., 0] - whole[..., -1]).abs().max() > 0.1


def test_a_velocity_along_the_ray_leads_away_from_the_camera():
    ray = torch.tensor([[0.3, 0.1, 1.0], [-2.0, 0.5, 1.0]]).double()
    away, right = (
        from_ray(torch.tensor(v).expand(2, 2).double(), ray) for v in ([0.0, 4.0], [4.0, 0.0])
    )
    torch.testing.assert_close(
        away / away.norm(dim=1, keepdim=True),
        torch.nn.functional.normalize(ray[:, ::2]),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close((away * right).sum(1), torch.zeros(2).double(), rtol=0, atol=EXACT)
    assert (right[:, 0] > 0).all()
    torch.testing.assert_close(
        torch.stack((away, right)).norm(dim=-1),
        torch.full((2, 2), 4.0).double(),
        rtol=EXACT,
        atol=EXACT,
    )


def test_velocities_of_the_mirrored_world_are_mirrored():
    mirror = torch.tensor([-1.0, 1.0, 1.0]).double()
    generator = torch.Generator().manual_seed(2)
    velocity, ray = (
        torch.randn(9, 2, generator=generator).double(),
        torch.randn(9, 3, generator=generator).double(),
    )
    mirrored = from_ray(velocity * mirror[:2], ray * mirror)
    torch.testing.assert_close(
        mirrored, from_ray(velocity, ray) * mirror[:2], rtol=EXACT, atol=EXACT
    )


def test_velocities_turn_with_the_camera():
    """From a camera turned about the vertical axis, what moves in the same way along a ray moves in
    the turned direction.
    """
    angle = torch.tensor(0.4, dtype=torch.float64)
    turn = YawPose.rotation(torch.cat((torch.zeros(3).double(), angle[None])))
    straight, velocity = (
        geometry().camera[0].each_point(),
        torch.tensor([1.0, 2.0]).expand(COUNT, 2).double(),
    )
    turned = straight.rotate(turn)
    moved = (
        from_ray(velocity, straight.ray(queries().reference)),
        from_ray(velocity, turned.ray(queries().reference)),
    )
    here, there = (torch.stack((v[:, 0], torch.zeros(COUNT), v[:, 1]), 1) for v in moved)
    torch.testing.assert_close(there @ turn.mT, here, rtol=EXACT, atol=EXACT)


@torch.no_grad()
def test_predictions_of_a_window_are_those_of_the_image(objects: ObjectHead):
    """Features are the same everywhere; all that a window changes is where its pixels begin."""
    whole = objects(
        queries(), objects.dense_maps([torch.zeros(1, 16, 16, 28).double()], geometry()), geometry()
    )
    part = objects(
        in_window(queries()),
        objects.dense_maps([torch.zeros(1, 16, 8, 16).double()], window()),
        window(),
    )
    assert whole.velocity.abs().max() > 0
    for name in ("noc", "w2d_share", "w2d_scale", "velocity", "size", "score"):
        torch.testing.assert_close(
            getattr(part, name), getattr(whole, name), rtol=EXACT, atol=EXACT
        )
    torch.testing.assert_close(
        part.x2d + torch.tensor(WINDOW[:2]), whole.x2d, rtol=EXACT, atol=EXACT
    )
