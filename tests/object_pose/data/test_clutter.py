"""Random shapes behind the objects."""

from __future__ import annotations

import numpy as np

from epropnp_det.object_pose.data.clutter import draw_clutter

SIZE = 96


def test_clutter_covers_part_of_most_backgrounds():
    behind = np.full((SIZE, SIZE, 3), 2.0, np.float32)
    covered = []
    for seed in range(30):
        picture = draw_clutter(behind, np.random.default_rng(seed))
        shapes = (picture != behind).any(-1)
        assert (picture[shapes] >= 0).all() and (picture[shapes] <= 1).all()
        covered.append(shapes.mean())
    assert (behind == 2).all()
    assert 0.2 < np.mean(covered) < 0.9 and min(covered) < 0.2


def test_clutter_depends_on_the_seed_alone():
    behind = np.zeros((SIZE, SIZE, 3), np.float32)
    first = draw_clutter(behind, np.random.default_rng(0))
    assert np.array_equal(first, draw_clutter(behind, np.random.default_rng(0)))
    assert not np.array_equal(first, draw_clutter(behind, np.random.default_rng(1)))
