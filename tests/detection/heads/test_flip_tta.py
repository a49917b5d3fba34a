"""Flip augmentation at test: images mirrored in place, correspondences brought back, one problem,
and no preferred side.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmcv import Config
from mmdet3d.models import build_model

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.detector import image_geometry_of
from epropnp_det.detection.heads import flip_tta
from epropnp_det.detection.heads.pnp_head import build_problem
from epropnp_det.detection.image_geometry import ImageGeometry
from epropnp_det.detection.structures.dense import DenseOutputs
from epropnp_det.detection.structures.predictions import ObjectPredictions
from epropnp_det.pnp import Camera, YawPose
from tests.tolerances import EXACT, MIRRORED

from ..small import FacingCamera, mirrored

SMALL = (
    Path(__file__).parents[3] / "configs" / "detection" / "synthetic" / "epropnp_r18_synthetic.py"
)
SIZE = (384, 128)  # a multiple of all strides
CAMERA = Camera.for_image(
    torch.tensor([[210.0, 0.0, 183.0], [0.0, 205.0, 60.0], [0.0, 0.0, 1.0]]), SIZE
)


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def predictions(objects: int = 5, points: int = 12, seed: int = 0) -> ObjectPredictions:
    """Random correspondences of objects some metres away, in float64."""
    g = drawn(seed)
    uniform = lambda *shape: torch.rand(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    scale = 0.1 + uniform(objects, 2)
    return ObjectPredictions(
        noc=uniform(objects, points, 3) - 0.5,
        x2d=100 * uniform(objects, 1, 2) + 40 * uniform(objects, points, 2),
        w2d_share=uniform(objects, points, 2) / points,
        w2d_scale=scale,
        size_code=uniform(objects, 10, 3),
        size=1 + uniform(objects, 3),
        score=uniform(objects),
        velocity=uniform(objects, 2),
        attribute=uniform(objects, 9),
    )


def test_images_are_mirrored_within_their_own_width():
    img = torch.rand(2, 3, 4, 8, generator=drawn())
    image_size = torch.tensor([[8.0, 4.0], [5.0, 4.0]])
    img[1, :, :, 5:] = 0
    flipped = flip_tta.mirror_images(img, image_size)
    assert torch.equal(flipped[0], img[0].flip(-1))
    assert (
        torch.equal(flipped[1, :, :, :5], img[1, :, :, :5].flip(-1))
        and not flipped[1, :, :, 5:].any()
    )
    assert torch.equal(flip_tta.mirror_images(flipped, image_size), img)


@pytest.mark.parametrize("width", [64.0, 56.0, 60.0, 50.0])
def test_dense_outputs_come_back_to_their_place(width):
    """Maps of the pixel x of their cells are maps of width - x after they are brought back, between
    columns too.
    """
    maps = {
        name: [_pixels(8, 64), _pixels(16, 64)]
        for name in ("cls_score", "centerness", "offset", "embedding")
    }
    back = flip_tta.realign(DenseOutputs(**maps, bbox=None), torch.tensor([width, width]), (8, 16))
    assert back.bbox is None
    for level, stride in zip(back.offset, (8, 16)):
        x = _pixels(stride, 64)
        reachable = (width - x >= stride / 2) & (width - x <= 64 - stride / 2)
        torch.testing.assert_close(level[reachable], (width - x)[reachable])
        assert reachable.any()


def _pixels(stride: int, width: int) -> torch.Tensor:
    return ((torch.arange(width // stride) + 0.5) * stride).expand(2, 1, 3, -1)


def test_unmirrored_correspondences_are_those_of_the_mirrored_world():
    """A pose explains correspondences as well as the mirrored pose explains the mirrored ones,
    through the mirrored camera.
    """
    seen = predictions()
    width = torch.full((len(seen.size),), float(SIZE[0]), dtype=torch.float64)
    camera = CAMERA[None].expand(len(seen.size))
    pose = torch.tensor([[0.3, 0.5, 9.0, 0.4]], dtype=torch.float64).expand(len(seen.size), 4)
    in_mirror, velocity = mirrored(pose, seen.velocity)
    back = flip_tta.unmirror(seen, width)
    cost = build_problem(seen, camera.flip(SIZE[0])).cost(in_mirror)
    torch.testing.assert_close(build_problem(back, camera).cost(pose), cost, rtol=EXACT, atol=EXACT)
    assert torch.equal(back.velocity, velocity)
    twice = flip_tta.unmirror(back, width)
    for name in ("noc", "x2d", "velocity", "w2d_share"):
        torch.testing.assert_close(getattr(twice, name), getattr(seen, name))


def test_merged_cost_is_the_mean_of_both():
    one, other = predictions(seed=1), predictions(seed=2)
    size = (one.size * other.size).sqrt()
    camera = CAMERA[None].expand(5)
    pose = torch.tensor([0.3, 0.5, 9.0, 0.4], dtype=torch.float64).expand(5, 4)

    def cost(seen: ObjectPredictions) -> torch.Tensor:
        return replace(build_problem(replace(seen, size=size), camera), robust="none").cost(pose)

    both = flip_tta.merge(one, other)
    torch.testing.assert_close(both.size, size)
    torch.testing.assert_close(cost(both), (cost(one) + cost(other)) / 2, rtol=EXACT, atol=EXACT)


def test_two_equal_looks_change_nothing_but_the_number_of_points():
    one = predictions()
    both = flip_tta.merge(one, one)
    for name in ("size_code", "size", "score", "velocity"):
        torch.testing.assert_close(getattr(both, name), getattr(one, name))
    w2d = one.correspondences().w2d.repeat(1, 2, 1)
    torch.testing.assert_close(both.correspondences().w2d, w2d * 0.5**0.5)
    torch.testing.assert_close(both.attribute.softmax(-1), one.attribute.softmax(-1))
    assert both.noc.shape[1] == 2 * one.noc.shape[1]


def test_probabilities_are_averaged():
    a, b = torch.tensor([0.0, -50.0, 200.0, -200.0]), torch.tensor([2.0, 3.0, 200.0, -200.0])
    torch.testing.assert_close(
        flip_tta.mean_probability(a, b).sigmoid(), (a.sigmoid() + b.sigmoid()) / 2
    )


@pytest.fixture(scope="module")
def model():
    """The small model in float64 with random weights that let every kind of output vary."""
    torch.manual_seed(0)
    config = Config.fromfile(str(SMALL))
    config.model.test_cfg.update(flip_tta=True, score_threshold=0.0, max_queries=40)
    model = build_model(config.model).double().eval()
    with torch.no_grad():
        for parameter in model.bbox_head.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=drawn(parameter.numel())))
    model.bbox_head.test_pnp = FacingCamera(init=None, lm_iterations=5)
    return model


@torch.no_grad()
def detect(model, img: torch.Tensor, camera: Camera) -> Boxes3D:
    geometry = ImageGeometry(
        camera[None].to(torch.float64), torch.tensor([SIZE], dtype=torch.float64)
    )
    other = model.extract_feat(flip_tta.mirror_images(img, geometry.image_size))
    return model.bbox_head.detect(model.extract_feat(img), geometry, mirrored=other)[0]


def test_detections_of_the_mirrored_image_are_the_mirror_of_the_images(model):
    img = torch.rand(1, 3, *SIZE[::-1], generator=drawn(), dtype=torch.float64)
    here, there = detect(model, img, CAMERA), detect(model, img.flip(-1), CAMERA.flip(SIZE[0]))
    assert len(here) == len(there) > 10
    pose, velocity = mirrored(there.pose, there.velocity)
    difference = YawPose.difference(here.pose, pose)
    assert difference.abs().max() < MIRRORED * here.pose.abs().max()
    torch.testing.assert_close(velocity, here.velocity, rtol=MIRRORED, atol=MIRRORED)
    for name in ("size", "score"):
        torch.testing.assert_close(
            getattr(there, name), getattr(here, name), rtol=MIRRORED, atol=MIRRORED
        )
    assert torch.equal(there.label, here.label) and torch.equal(there.attribute, here.attribute)
    side = here.covariance.new_tensor((-1.0, 1.0, 1.0, -1.0))
    torch.testing.assert_close(
        there.covariance * side * side[:, None], here.covariance, rtol=1e-4, atol=MIRRORED
    )


@torch.no_grad()
def test_without_it_the_mirrored_image_gives_something_else(model):
    """The law above is not one of the network's own: with the points of one view alone the pose of
    the best box moves by decimetres.
    """
    img = torch.rand(1, 3, *SIZE[::-1], generator=drawn(), dtype=torch.float64)
    geometry = ImageGeometry(CAMERA[None].to(torch.float64), torch.tensor([SIZE]).double())
    alone, _, one = model.bbox_head.predict(model.extract_feat(img), geometry)
    mirrored_img = flip_tta.mirror_images(img, geometry.image_size)
    feats = model.extract_feat(img), model.extract_feat(mirrored_img)
    both, _, other = model.bbox_head.predict_with_mirror(*feats, geometry)
    pairs = alone.label.tolist(), both.label.tolist()
    assert len(pairs[0]) == len(pairs[1]) == 40
    count = one.noc.shape[1]
    assert other.noc.shape[1] == 2 * count
    same = (alone.reference[:, None] == both.reference).all(-1) & (
        alone.label[:, None] == both.label
    )
    first, second = same.nonzero(as_tuple=True)
    assert len(first) > 5
    # The first half of the points is that of the image alone, with the root of half its weight.
    torch.testing.assert_close(other.noc[second, :count], one.noc[first])
    w2d = one.correspondences().w2d[first] * 0.5**0.5
    torch.testing.assert_close(other.correspondences().w2d[second, :count], w2d)
    # The second half is another view, not a copy.
    apart = (other.noc[second, count:] - one.noc[first]).abs().mean()
    assert apart > 0.1 * one.noc[first].abs().mean()


def test_the_setting_turns_it_on():
    torch.manual_seed(0)
    config = Config.fromfile(str(SMALL))
    pnp = dict(mc_samples=16, lm_iterations=2, init=dict(proposals=4, points=8, iterations=1))
    config.model.test_cfg.update(score_threshold=0.0, max_queries=20, pnp=pnp)
    plain = build_model(config.model).eval()
    config.model.test_cfg.flip_tta = True
    both = build_model(config.model).eval()
    both.load_state_dict(plain.state_dict())
    img = torch.rand(1, 3, *SIZE[::-1], generator=drawn())
    metas = [dict(img_shape=(*SIZE[::-1], 3), camera=CAMERA)]
    with torch.no_grad():
        geometry = image_geometry_of(metas, img.device)
        feats = both.extract_feat(img)
        mirrored_feats = both.extract_feat(img.flip(-1))
        for model, other in ((both, mirrored_feats), (plain, None)):
            expected = both.bbox_head.detect(feats, geometry, [drawn()], other)[0]
            found = model.detect(img, metas, [drawn()])[0]
            torch.testing.assert_close(found.pose, expected.pose, rtol=0, atol=0)
            torch.testing.assert_close(found.score, expected.score, rtol=0, atol=0)
