"""Random true boxes and detections of several images, for the tests of metrics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from epropnp_det.detection.evaluation.box_table import BoxTable


def true_boxes(
    count: int, seed: int = 0, images: int = 6, labels: int = 10, attributes: int = 9
) -> BoxTable:
    """Boxes 3 to 48 m away; a fifth of the velocities is unknown."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(3, 45, count)
    x = rng.uniform(-0.35, 0.35, count) * z
    pose = np.stack([x, rng.uniform(0, 2, count), z, rng.uniform(-3, 3, count)], axis=1)
    velocity = rng.normal(0, 3, (count, 2))
    velocity[rng.random(count) < 0.2] = np.nan
    return BoxTable(
        image=np.sort(rng.integers(0, images, count)),
        pose=pose,
        size=rng.uniform(0.5, 4.5, (count, 3)),
        label=rng.integers(0, labels, count),
        velocity=velocity,
        attribute=rng.integers(0, attributes, count),
        score=np.ones(count),
        counted=np.ones(count, dtype=bool),
    )


def detections(truth: BoxTable, seed: int = 1, spread: float = 1.2, labels: int = 10) -> BoxTable:
    """Three detections of each true box, off by about `spread` metres, with random scores; a tenth
    are of another class.
    """
    rng = np.random.default_rng(seed)
    index = np.sort(np.tile(np.arange(len(truth)), 3))
    count = len(index)
    found = truth[index]
    noise = rng.normal(0, 1, (count, 4)) * (spread, 0.1, spread, 0.3)
    return replace(
        found,
        pose=found.pose + noise,
        size=found.size * rng.uniform(0.8, 1.2, (count, 3)),
        label=np.where(rng.random(count) < 0.1, (found.label + 1) % labels, found.label),
        velocity=rng.normal(0, 3, (count, 2)),
        attribute=np.where(rng.random(count) < 0.3, 0, found.attribute),
        score=rng.random(count).round(2),  # with ties
    )
