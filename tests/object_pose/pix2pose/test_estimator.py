"""Pix2Pose as a whole: two passes, poses with covariance and consensus, training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import ConfigDict
from torch import Tensor

from epropnp_det.engine.training import init_weights
from epropnp_det.object_pose.patches import ImageSource, PatchSettings, cut_patch
from epropnp_det.object_pose.pix2pose.estimator import Pix2PoseEstimator
from epropnp_det.object_pose.pix2pose.network import Pix2PoseEncoder, UNetDecoder
from epropnp_det.object_pose.pix2pose.points import draw_used
from epropnp_det.object_pose.pix2pose.second_pass import (
    imitated_cells,
    moved_cells,
    second_geometry,
)
from epropnp_det.object_pose.structures import PatchGeometry, PixelMaps
from epropnp_det.pnp import SE3Pose
from tests.tolerances import EXACT_FLOAT32, LEARNT_METRES, MINIMUM_FLOAT32

from ..small import CELLS, OBJECTS, PATCH, batch, ellipsoid_maps, geometry, poses, small_config

NUMBER = 3
# [px] of an image that `geometry` lies in.
WIDTH, HEIGHT = 640, 480


def pixel_config(**changes: Any) -> ConfigDict:
    pnp = dict(mc_samples=64, lm_iterations=10, init=dict(proposals=16))
    settings = dict(
        backbone=small_config().backbone,
        neck=dict(
            type="UNetDecoder",
            in_channels=(8, 16, 32, 64),
            up_channels=(8, 8, 16),
            out_channels=(16, 16, 16),
        ),
        head=dict(type="Pix2PoseHead", in_channels=16, objects=OBJECTS),
        points=dict(train_points=128),
        losses=dict(),
        train_cfg=dict(pnp=pnp),
        test_cfg=dict(start="random", samples=True, pnp=pnp),
    )
    return ConfigDict(settings | changes)


def pixel_estimator(kind: type = Pix2PoseEstimator, **changes: Any) -> Pix2PoseEstimator:
    torch.manual_seed(0)
    estimator = kind(**pixel_config(**changes))
    init_weights(estimator)
    return estimator


class TruthfulNetwork(Pix2PoseEstimator):
    """Maps of the ellipsoids at `poses`, wherever the patch lies; the noise of the coordinates is
    the expected error.
    """

    noise = 0.0

    def maps(self, img: Tensor, geometry: PatchGeometry) -> PixelMaps:
        noc, mask = ellipsoid_maps(poses(len(img)), geometry)
        generator = torch.Generator().manual_seed(0)
        error = self.noise * torch.rand(mask.shape, generator=generator)
        noc = noc + error * torch.randn(noc.shape, generator=generator)
        return PixelMaps(noc, error, 20 * (mask - 0.5))


def seeded(number: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(0) for _ in range(number)]


def source(number: int) -> ImageSource:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    one = ImageSource.of(image, PatchSettings(size=PATCH))
    return one.map(lambda value: value.expand(number, *value.shape[1:]))


def apart(found: Tensor, expected: Tensor) -> float:
    return float(SE3Pose.difference(expected, found).abs().max())


def test_true_maps_give_true_poses_with_full_consensus() -> None:
    model = pixel_estimator(TruthfulNetwork).eval()
    img = torch.zeros(NUMBER, 3, PATCH, PATCH)
    found = model.estimate(img, geometry(NUMBER), seeded(NUMBER), 64, source(NUMBER))
    assert found.valid.all() and (found.consensus > 0.99).all()
    assert apart(found.pose, poses(NUMBER)) < MINIMUM_FLOAT32 * 10
    assert found.covariance.isfinite().all() and found.sample_pose.shape == (NUMBER, 64, 7)


def test_noisy_maps_lose_consensus_but_not_the_pose() -> None:
    model = pixel_estimator(TruthfulNetwork).eval()
    img = torch.zeros(NUMBER, 3, PATCH, PATCH)
    clean = model.estimate(img, geometry(NUMBER), seeded(NUMBER), None, source(NUMBER))
    model.noise = 0.6
    noisy = model.estimate(img, geometry(NUMBER), seeded(NUMBER), None, source(NUMBER))
    assert noisy.valid.all() and (noisy.consensus < 0.8 * clean.consensus).all()
    assert (noisy.pose - poses(NUMBER))[:, :3].abs().max() < LEARNT_METRES


def test_the_second_patch_lies_around_the_object_in_pixels_of_the_image() -> None:
    """Also where the object is in a corner of a first patch of another scale."""
    wide = replace(
        geometry(NUMBER),
        origin=torch.tensor((200.0, 100.0)).expand(NUMBER, 2),
        side=torch.full((NUMBER,), 320.0),
    )
    _, mask = ellipsoid_maps(poses(NUMBER), wide)
    around = second_geometry(wide, mask > 0, 1.5)
    seen = geometry(NUMBER).matrix @ poses(NUMBER)[:, :3, None]
    centre = (seen[:, :2] / seen[:, 2:])[..., 0]
    cell = wide.cell(CELLS)[0]
    assert (around.origin + around.side[:, None] / 2 - centre).abs().max() < cell / 2
    assert (around.side < 0.6 * wide.side).all()
    nothing = second_geometry(wide, mask > 2, 1.5)
    assert torch.equal(nothing.origin, wide.origin) and torch.equal(nothing.side, wide.side)


def test_cells_that_are_kept_move_with_the_patch() -> None:
    where = geometry(1)
    kept = torch.zeros(1, 1, CELLS, CELLS, dtype=torch.bool)
    kept[..., 4:8, 2:10] = True
    repeat = PATCH // CELLS
    same = moved_cells(kept, where, where, PATCH)
    wide = kept.repeat_interleave(repeat, -1).repeat_interleave(repeat, -2)
    assert torch.equal(same, wide)
    half = replace(where, origin=where.origin + where.side / 4, side=where.side / 2)
    inner = wide[..., PATCH // 4 : 3 * PATCH // 4, PATCH // 4 : 3 * PATCH // 4]
    expected = inner.repeat_interleave(2, -1).repeat_interleave(2, -2)
    assert torch.equal(moved_cells(kept, where, half, PATCH), expected)


def test_patches_of_the_source_are_those_of_a_test() -> None:
    """Also beyond the border, where a test has black pixels."""
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    settings = PatchSettings(size=PATCH)
    img, origin, side = cut_patch(image, (-10.0, 20.0, 40.0, 30.0), settings)
    where = replace(
        geometry(1),
        origin=torch.tensor(origin, dtype=torch.float32)[None],
        side=torch.tensor([side], dtype=torch.float32),
    )
    got = ImageSource.of(image, settings).patches(where, PATCH)[0]
    # Patches of a test are rounded to levels.
    assert (got - img).abs().max() < 1.5 / 128


def test_every_parameter_trains() -> None:
    data = batch() | dict(vertices=0.1 * torch.rand(4, 8, 3))
    losses = dict(pose=dict(type="ProjectionLoss", start=0))
    model = pixel_estimator(losses=losses).train()
    torch.nn.init.normal_(model.head.output.weight, std=0.3)
    found = model(**data, generator=torch.Generator().manual_seed(0))
    names = {"loss_coordinate", "loss_error", "loss_mask", "loss_pose", "invalid_objects"}
    assert names <= found.keys()
    sum(value for name, value in found.items() if "loss" in name).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_patch_without_a_cell_has_no_pose_and_no_consensus() -> None:
    model = pixel_estimator().eval()
    torch.nn.init.constant_(model.head.output.bias, -5.0)
    data = {key: value for key, value in batch(2).items() if not key.startswith("gt_")}
    whole = source(2)
    results = model(**data, image=whole.image, black=whole.black, return_loss=False)
    for result in results:
        assert not result["object_pose"].valid and result["object_pose"].consensus == 0


def test_result_of_a_patch_does_not_depend_on_its_batch() -> None:
    model = pixel_estimator(TruthfulNetwork).eval()
    img = torch.zeros(NUMBER, 3, PATCH, PATCH)
    together = model.estimate(img, geometry(NUMBER), seeded(NUMBER), None, source(NUMBER))
    first = model.estimate(img[:1], geometry(1), seeded(1), None, source(1))
    # `poses` of another number of objects are others: the first patch of three, by itself.
    model.maps = lambda img, where: TruthfulNetwork.maps(
        model,
        img.expand(NUMBER, 3, PATCH, PATCH),
        where.map(lambda value: value.expand(NUMBER, *value.shape[1:])),
    )[:1]
    alone = model.estimate(img[:1], geometry(1), seeded(1), None, source(1))
    assert first.valid.all()
    assert apart(alone.pose, together.pose[:1]) < MINIMUM_FLOAT32


def test_drawn_cells_are_used_ones() -> None:
    used = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5
    for most in (10, 50, 64):
        drawn = draw_used(used, most, torch.Generator().manual_seed(0))
        assert not (drawn & ~used).any()
        expected = used.flatten(1).sum(1).clamp(max=most)
        assert torch.equal(drawn.flatten(1).sum(1), expected)


def test_imitated_cells_miss_a_rectangle_of_the_mask() -> None:
    mask = torch.ones(64, 1, CELLS, CELLS)
    mask[..., :4] = 0
    cells = imitated_cells(mask, torch.Generator().manual_seed(0))
    assert not (cells & (mask == 0)).any()
    share = cells.sum((1, 2, 3)) / mask.sum((1, 2, 3))
    assert share.min() >= 0.5 and 0.85 < share.mean() < 0.99


@pytest.mark.parametrize("size", [32, 64])
def test_levels_of_the_published_encoder_fit_its_decoder(size: int) -> None:
    encoder = Pix2PoseEncoder(size, (8, 16, 16, 32), code=8, bottleneck=16)
    decoder = UNetDecoder((8, 16, 16, 16), (4, 8, 16), (8, 16, 16), (4, 8, 8), kernel=5)
    found = decoder(encoder(torch.zeros(1, 3, size, size)))
    assert found.shape == (1, 8, size // 2, size // 2)


def test_weights_follow_the_expected_error() -> None:
    """Twice the deviation, half the weight; few independent points for many cells."""
    model = pixel_estimator(TruthfulNetwork).eval()
    img = torch.zeros(1, 3, PATCH, PATCH)
    problem = model.correspond(img, geometry(1), None, seeded(1)).problem
    weight = problem.points.w2d[0, problem.points.mask[0]]
    cell = geometry(1).cell(CELLS)
    total = (weight[:, 0] * cell).square().sum()
    torch.testing.assert_close(total, torch.tensor(32.0), rtol=EXACT_FLOAT32, atol=0)
