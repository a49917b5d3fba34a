"""A second pass: where its patches lie, what several patches make of one object."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmcv import Config
from torch import Tensor

from epropnp_det.errors import DataWarning
from epropnp_det.object_pose.data.crops import CropWindow, crop_image
from epropnp_det.object_pose.estimator import ObjectPoseEstimator
from epropnp_det.object_pose.inference import ObjectsInImage, estimate_poses, estimate_with_evidence
from epropnp_det.object_pose.patches import ImageSource, PatchSettings
from epropnp_det.object_pose.problem import PointSettings, problem_of_all_cells
from epropnp_det.object_pose.structures import CorrespondenceMaps, PatchGeometry
from epropnp_det.object_pose.views import around_object, joined
from epropnp_det.pnp import Camera, SE3Pose
from tests.tolerances import EXACT, EXACT_FLOAT32, MINIMUM_FLOAT32

from .small import (
    CELLS,
    MATRIX,
    PATCH,
    ellipsoid_maps,
    geometry,
    perfect_maps,
    poses,
    small_config,
    small_estimator,
)

NUMBER = 32
# Patches of about the side of `geometry`.
VIEWS = (0.7, 0.75, 0.8)
NOISE = 0.01


class NoisyNetwork(ObjectPoseEstimator):
    """Maps of the ellipsoids at `poses`, with noise that is another one in each patch."""

    noise = 0.0

    def maps(self, img: Tensor, geometry: PatchGeometry) -> CorrespondenceMaps:
        noc, mask = ellipsoid_maps(poses(len(img)), geometry)
        seed = int(1000 * geometry.side.sum())
        noise = torch.randn(noc.shape, generator=torch.Generator().manual_seed(seed))
        logit = (mask - 1).expand(-1, 2, -1, -1) * 30
        return CorrespondenceMaps(noc + self.noise * noise, logit, torch.full((len(img), 2), 20.0))


def noisy_network(views: tuple[float, ...], noise: float) -> NoisyNetwork:
    config = small_config()
    config.test_cfg.views = views
    model = NoisyNetwork(**config).eval()
    model.noise = noise
    return model


def estimated(model: NoisyNetwork, images: ImageSource | None) -> Tensor:
    generators = [torch.Generator().manual_seed(0) for _ in range(NUMBER)]
    img = torch.zeros(NUMBER, 3, PATCH, PATCH)
    found = model.estimate(img, geometry(NUMBER), generators, None, images)
    assert found.valid.all()
    return found.pose


def source() -> ImageSource:
    one = ImageSource.of(np.zeros((480, 640, 3), np.uint8), PatchSettings(size=PATCH))
    return one.map(lambda value: value.expand(NUMBER, *value.shape[1:]))


def camera_of(where: PatchGeometry) -> Camera:
    return Camera(where.matrix, *(torch.full_like(where.origin, limit) for limit in (-1e6, 1e6)))


def error(pose: Tensor) -> Tensor:
    """(B, 6) from the true poses."""
    return SE3Pose.difference(poses(NUMBER), pose).abs()


@pytest.mark.parametrize("origin", [(200.3, 150.7), (-30.0, 440.0), (600.5, -20.25), (900.0, 20.0)])
@pytest.mark.parametrize("side", [40.0, 117.3, 300.0])
def test_patches_of_the_source_are_cut_from_the_whole_image(
    origin: tuple[float, float], side: float
) -> None:
    """Inside, across each border, and outside."""
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    settings = PatchSettings(size=PATCH)
    one = ImageSource.of(image, settings)
    where = replace(geometry(1), origin=torch.tensor([origin]), side=torch.tensor([side]))
    window = CropWindow(where.origin[0].double().numpy(), float(where.side))
    expected = settings.normalize(crop_image(image.astype(np.float32), window, PATCH))
    got = one.patches(where, PATCH)[0]
    torch.testing.assert_close(got, expected, rtol=0, atol=EXACT_FLOAT32)


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_new_patches_hold_the_projected_box(scale: float) -> None:
    """They depend on the pose alone, not on the first patch."""
    first = geometry(NUMBER).to(torch.float64)
    pose = poses(NUMBER).double()
    around = around_object(first, camera_of(first), pose, scale)
    signs = torch.cartesian_prod(*[torch.tensor((-1.0, 1.0), dtype=torch.float64)] * 3)
    corners = SE3Pose.transform(pose, signs * first.half_extent[:, None])
    seen = corners @ first.matrix.mT
    place = (seen[..., :2] / seen[..., 2:] - around.origin[:, None]) / around.side[:, None, None]
    low, high = place.aminmax(dim=1)
    torch.testing.assert_close((high - low).amax(-1), torch.full_like(low[:, 0], 1 / scale))
    torch.testing.assert_close(low + high, torch.ones_like(low))
    other = replace(first, origin=first.origin + 7, side=1.3 * first.side)
    moved = around_object(other, camera_of(other), pose, scale)
    torch.testing.assert_close(moved.origin, around.origin, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(moved.side, around.side, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(
    "change",
    [(0.2, 0.0, 0.0), (0.0, 0.0, -0.75), (0.0, 0.0, 4.0), (0.0, 0.0, -2.0), (torch.nan,) * 3],
)
def test_a_pose_that_cannot_be_right_keeps_the_first_patch(change: tuple[float, ...]) -> None:
    first = geometry(2)
    pose = poses(2)
    pose[1, :3] += torch.tensor(change)
    around = around_object(first, camera_of(first), pose, 1.0)
    assert not torch.equal(around.origin[0], first.origin[0])
    assert torch.equal(around.origin[1], first.origin[1])
    assert torch.equal(around.side[1], first.side[1])


def test_copies_of_a_problem_are_the_problem() -> None:
    settings = PointSettings(train_points=128)
    one = problem_of_all_cells(perfect_maps(3), geometry(3), settings)
    four = joined([one] * 4, settings.relative_delta)
    assert four.points.x3d.shape[1] == 4 * CELLS**2
    off = poses(3) + torch.tensor((0.003, 0.002, 0.02, 0.0, 0.0, 0.0, 0.0))
    # The threshold has the variance of the pixels, over the number of points less one.
    close = dict(rtol=1 / CELLS**2, atol=0)
    torch.testing.assert_close(2 * four.delta, one.delta, **close)
    torch.testing.assert_close(four.cost(off), one.cost(off), **close)
    assert (one.cost(off) > 0.1).all()


def test_true_maps_give_true_poses() -> None:
    model = noisy_network(VIEWS, noise=0.0)
    assert model.cuts_patches
    assert error(estimated(model, source())).max() < 10 * MINIMUM_FLOAT32


def test_noise_of_several_patches_averages() -> None:
    """Of four patches with noise of their own the orientation has half the error of one."""
    once = error(estimated(noisy_network((), NOISE), source()))[:, 3:].square().mean().sqrt()
    again = error(estimated(noisy_network(VIEWS, NOISE), source()))[:, 3:].square().mean().sqrt()
    assert again < 0.75 * once


def test_without_the_images_there_is_one_pass() -> None:
    model = noisy_network(VIEWS, NOISE)
    plain = noisy_network((), NOISE)
    assert not plain.cuts_patches
    assert torch.equal(estimated(model, None), estimated(plain, source()))
    img = torch.zeros(NUMBER, 3, PATCH, PATCH)
    with pytest.warns(DataWarning, match=r"one pass; set data\.test\.whole_image=True"):
        model.simple_test(img, geometry(NUMBER))
    images = source()
    with warnings.catch_warnings(action="error"):
        model.simple_test(img, geometry(NUMBER), image=images.image, black=images.black)
        plain.simple_test(img, geometry(NUMBER))


def test_image_to_poses_and_their_evidence() -> None:
    model = small_estimator(test_cfg=small_config().test_cfg | dict(views=VIEWS)).eval()
    model.cfg = Config(dict(patch=dict(size=PATCH)))
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    boxes = np.array(((200.0, 180.0, 41.0, 60.0), (-20.0, 30.0, 80.0, 50.0)))
    objects = ObjectsInImage(image, np.array(MATRIX), boxes, np.full((2, 3), 0.05), (0, 1))
    found = estimate_with_evidence(model, objects, mc_samples=64)
    assert found.poses.sample_pose.shape == (2, 64, 7)
    assert found.noc.shape[-2:] == found.weight.shape[-2:] == (CELLS, CELLS)
    assert torch.equal(found.poses.pose, estimate_poses(model, objects, mc_samples=64).pose)


@pytest.mark.parametrize("views", [(1.0, 0.0), (-1.0,)])
def test_a_side_that_is_not_positive_is_refused(views: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="views must be positive"):
        small_estimator(test_cfg=small_config().test_cfg | dict(views=views))
