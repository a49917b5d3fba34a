"""Scores of boxes: what the settings say is what comes out."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from epropnp_det.detection.heads.pnp_head import build_problem
from epropnp_det.detection.heads.postprocess import PostprocessSettings
from epropnp_det.detection.heads.scoring import expected_score, score_target
from epropnp_det.pnp import EProPnP4DoF, PoseSamples
from tests.tolerances import EXACT_FLOAT32

from ..small import CAMERA, geometry_of_recording
from .test_flip_tta import predictions


def test_score_halves_the_error_four_times():
    error = torch.tensor([0.0, 2**-1.5, 2**-0.5, 2**0.5, 2**1.5, 2**2.5, 100.0])
    torch.testing.assert_close(
        score_target(error), torch.tensor([1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0])
    )


def test_expected_score_is_the_weighted_mean_over_the_samples():
    generator = torch.Generator().manual_seed(0)
    pose = torch.randn(3, 4, generator=generator)
    samples = PoseSamples(
        pose + torch.randn(6, 3, 4, generator=generator),
        torch.randn(6, 3, generator=generator),
        torch.tensor([True, True, False]),
    )
    found = expected_score(samples, pose)
    for m in range(3):
        weights = [math.exp(w) for w in samples.log_weights[:, m].tolist()]
        errors = [
            math.dist((p[0], p[2]), (pose[m, 0], pose[m, 2])) for p in samples.pose[:, m].tolist()
        ]
        scores = [min(max((2.5 - math.log2(error)) / 4, 0.0), 1.0) for error in errors]
        expected = sum(w * s for w, s in zip(weights, scores)) / sum(weights) if m < 2 else 0.0
        assert found[m].item() == pytest.approx(expected, abs=EXACT_FLOAT32)


def test_a_sharp_posterior_scores_higher_than_a_flat_one():
    seen, camera, layer = predictions(), CAMERA[None].expand(5), EProPnP4DoF(mc_samples=256)

    def score(sharpness: float) -> torch.Tensor:
        problem = build_problem(replace(seen, w2d_scale=seen.w2d_scale * sharpness), camera)
        estimate = layer.solve(problem, generator=torch.Generator().manual_seed(0))
        return expected_score(
            layer.sample(problem, estimate, torch.Generator().manual_seed(0)), estimate.pose
        )

    assert (score(30.0) > score(0.03)).all()


def settled(head, **settings):
    """The head's scores of its queries under other settings; everything else is the same."""
    head.postprocess = PostprocessSettings(
        score_threshold=0.0, max_queries=8, nms_2d=1.0, nms_bev=1.0, **settings
    )
    return head


def test_settings_say_what_a_score_is(head_of_recording, recorded_head, monkeypatch):
    geometry = geometry_of_recording(recorded_head)
    monkeypatch.setattr(head_of_recording, "postprocess", head_of_recording.postprocess)

    def scores(**settings) -> torch.Tensor:
        head = settled(head_of_recording, **settings)
        generators = [torch.Generator().manual_seed(0) for _ in geometry.image_size]
        found = head.detect(recorded_head["feats"], geometry, generators)
        order = [one.pose[:, 0].argsort() for one in found]
        return torch.cat([one.score[index] for one, index in zip(found, order)])

    of_class, predicted, implied, half = (
        scores(score_3d=False),
        scores(),
        scores(mc_scoring_ratio=1.0),
        scores(mc_scoring_ratio=0.5),
    )
    assert len(of_class) > 4
    assert (predicted <= of_class).all() and (implied <= of_class).all()
    torch.testing.assert_close(half, (predicted + implied) / 2)
    assert not torch.allclose(predicted, implied)


@pytest.mark.parametrize(
    "settings",
    [
        dict(mc_scoring_ratio=-0.1),
        dict(mc_scoring_ratio=1.1),
        dict(mc_scoring_ratio=0.5, score_3d=False),
    ],
)
def test_impossible_ratios_are_refused(settings):
    with pytest.raises(ValueError, match="mc_scoring_ratio"):
        PostprocessSettings(**settings)


def test_scoring_without_objects(head_of_recording, recorded_head, monkeypatch):
    monkeypatch.setattr(
        head_of_recording,
        "postprocess",
        PostprocessSettings(score_threshold=1.1, mc_scoring_ratio=0.5),
    )
    found = head_of_recording.detect(recorded_head["feats"], geometry_of_recording(recorded_head))
    assert [len(one) for one in found] == [0, 0]
