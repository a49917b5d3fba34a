"""IDF1: its limits, and agreement with motmetrics."""

from __future__ import annotations

import motmetrics
import numpy as np
import pytest

from epropnp_det.detection.evaluation.identity_metrics import TrackedObjects, identity_scores
from tests.tolerances import METRIC


def drive(seed: int = 0, frames: int = 20, number: int = 6) -> list[TrackedObjects]:
    rng = np.random.default_rng(seed)
    start = rng.uniform(-30, 30, (number, 2))
    velocity = rng.uniform(-3, 3, (number, 2))
    label = np.arange(number) % 2
    return [
        TrackedObjects(start + 0.5 * t * velocity, label, np.arange(number)) for t in range(frames)
    ]


def changed(frames: list[TrackedObjects], seed: int) -> list[TrackedObjects]:
    """Objects missing, moved, added, and tracks that change their numbers."""
    rng = np.random.default_rng(seed)
    result = []
    for index, one in enumerate(frames):
        kept = rng.random(len(one.track)) < 0.8
        position = one.position[kept] + rng.normal(0, 0.8, (kept.sum(), 2))
        track = one.track[kept] + 100 * (rng.random(kept.sum()) < 0.3) + 10 * (index > 12)
        result.append(TrackedObjects(position, one.label[kept], track))
    return result


def test_true_tracks_score_one_whatever_their_numbers() -> None:
    truth = drive()
    renamed = [TrackedObjects(one.position, one.label, 77 - 5 * one.track) for one in truth]
    scores = identity_scores(truth, renamed)
    assert (scores.idf1, scores.idp, scores.idr, scores.f1) == (1, 1, 1, 1)


def test_a_new_number_half_way_costs_half() -> None:
    truth = drive()
    broken = [
        TrackedObjects(one.position, one.label, one.track + 100 * (t >= 10))
        for t, one in enumerate(truth)
    ]
    scores = identity_scores(truth, broken)
    assert scores.idf1 == 0.5 and scores.f1 == 1


def test_other_classes_and_far_objects_do_not_match() -> None:
    truth = drive()
    wrong_class = [TrackedObjects(one.position, 1 - one.label, one.track) for one in truth]
    far = [TrackedObjects(one.position + 100, one.label, one.track) for one in truth]
    assert identity_scores(truth, wrong_class).f1 == identity_scores(truth, far).f1 == 0


def test_nothing_found_scores_zero() -> None:
    truth = drive()
    nothing = [TrackedObjects(one.position[:0], one.label[:0], one.track[:0]) for one in truth]
    scores = identity_scores(truth, nothing)
    assert scores.idf1 == 0 and scores.idr == 0 and np.isnan(scores.idp)


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_motmetrics(seed: int) -> None:
    truth = [TrackedObjects(one.position, 0 * one.label, one.track) for one in drive(seed)]
    found = changed(truth, seed)
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for true, mine in zip(truth, found):
        offset = np.linalg.norm(true.position[:, None] - mine.position[None], axis=-1)
        offset[offset > 2] = np.nan
        accumulator.update(true.track, mine.track, offset)
    names = ["idf1", "idp", "idr"]
    expected = motmetrics.metrics.create().compute(accumulator, metrics=names, name="all")
    scores = identity_scores(truth, found)
    for name in names:
        assert abs(getattr(scores, name) - expected[name]["all"]) < METRIC
