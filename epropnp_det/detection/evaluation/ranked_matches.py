"""Which detections of a class are right, best first: what every average precision starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .box_table import BoxTable

# (n, m) likeness of n detections and m true boxes of one image: a match has more than a threshold.
Affinity = Callable[[BoxTable, BoxTable], np.ndarray]
# Errors (n,) of detections against the true boxes of the same rows, by name.
Errors = Callable[[BoxTable, BoxTable], Mapping[str, np.ndarray]]

UNMATCHED = -1
UNCOUNTED = -2


@dataclass(frozen=True)
class RankedMatches:
    """Detections of a class, best first. Those that belong to true boxes that are not counted are
    left out: they are neither right nor wrong.

    Args:
        score: (n,).
        correct: (n,) whether there is a true box for the detection alone.
        distance: (n,) m from the camera, of the true box where there is one.
        positives: (m,) distance of the true boxes that count, m.
        errors: (n,) by name; NaN where the detection has no true box.
    """

    score: np.ndarray
    correct: np.ndarray
    distance: np.ndarray
    positives: np.ndarray
    errors: Mapping[str, np.ndarray]

    def within(self, low: float, high: float) -> RankedMatches:
        """Those from `low` up to `high` m from the camera."""
        keep = (self.distance >= low) & (self.distance < high)
        near = (self.positives >= low) & (self.positives < high)
        return RankedMatches(
            self.score[keep],
            self.correct[keep],
            self.distance[keep],
            self.positives[near],
            {name: values[keep] for name, values in self.errors.items()},
        )

    def precision_and_recall(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) and (n,) of the best 1, 2, ... n detections. There must be a true box."""
        right = self.correct.cumsum(dtype=np.float64)
        return right / np.arange(1, len(right) + 1), right / len(self.positives)


def match_class(
    found: BoxTable,
    truth: BoxTable,
    affinity: Affinity,
    thresholds: Sequence[float],
    errors: Errors,
) -> list[RankedMatches]:
    """The matches of the boxes of one class at each threshold.

    In each image the best score chooses first, and takes the true box that it is most like among
    those left; every true box has one detection at most.
    """
    # Of equal scores the later is first, as in the devkit of nuScenes.
    ranked = found[np.lexsort((np.arange(len(found)), found.score))[::-1]]
    pairs = np.full((len(thresholds), len(ranked)), UNMATCHED)
    columns = rows_by_image(truth.image)
    nothing = np.zeros(0, dtype=np.int64)
    for image, rows in rows_by_image(ranked.image).items():
        mine = columns.get(image, nothing)
        likeness = affinity(ranked[rows], truth[mine])
        for row, threshold in zip(pairs, thresholds):
            match = choose(likeness, truth.counted[mine], threshold)
            taken = match >= 0
            match[taken] = mine[match[taken]]
            row[rows] = match
    return [_ranked_matches(ranked, truth, row, errors) for row in pairs]


def choose(likeness: np.ndarray, counted: np.ndarray, threshold: float) -> np.ndarray:
    """The true box of each detection of an image, one to one.

    Args:
        likeness: (n, m) of the detections, best first, and the true boxes.
        counted: (m,) whether a true box counts. Others take any number of detections, those that no
            box that counts takes.
        threshold: a match has more.

    Returns:
        (n,) index of the true box, `UNMATCHED`, or `UNCOUNTED`.
    """
    match = np.full(len(likeness), UNMATCHED)
    free = np.where(counted, 0.0, -np.inf)
    if not len(counted):
        return match
    beside = (likeness[:, ~counted] > threshold).any(axis=1)
    for index, row in enumerate(likeness):
        best = int((row + free).argmax())
        if row[best] + free[best] > threshold:
            match[index] = best
            free[best] = -np.inf
        elif beside[index]:
            match[index] = UNCOUNTED
    return match


def rows_by_image(image: np.ndarray) -> dict[int, np.ndarray]:
    """The rows (k,) of each image, in the order of the table."""
    order = image.argsort(kind="stable")
    images, starts = np.unique(image[order], return_index=True)
    return dict(zip(images.tolist(), np.split(order, starts[1:])))


def _ranked_matches(
    ranked: BoxTable, truth: BoxTable, match: np.ndarray, errors: Errors
) -> RankedMatches:
    keep = match != UNCOUNTED
    found = ranked[keep]
    index = match[keep]
    correct = index >= 0
    distance = found.distance.copy()
    distance[correct] = truth.distance[index[correct]]
    spread = {
        name: _spread(values, correct)
        for name, values in errors(found[correct], truth[index[correct]]).items()
    }
    positives = truth.distance[truth.counted]
    return RankedMatches(found.score, correct, distance, positives, spread)


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The values at the places of the mask (n,), NaN at the others."""
    spread = np.full(len(mask), np.nan)
    spread[mask] = values
    return spread


def of_class(boxes: BoxTable, label: int) -> BoxTable:
    """The boxes of one class."""
    return boxes[boxes.label == label]


def uncount(truth: BoxTable, ranges: np.ndarray) -> BoxTable:
    """True boxes, those beyond the range of their class (classes,), m, not counted."""
    return replace(truth, counted=truth.counted & (truth.distance < ranges[truth.label]))
