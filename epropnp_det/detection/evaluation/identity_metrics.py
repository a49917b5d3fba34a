"""IDF1: how much of the way found tracks are the same as true tracks (Ristani et al., *Performance
Measures and a Data Set for Multi-Target, Multi-Camera Tracking*, ECCV workshops 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class TrackedObjects:
    """n objects of an instant.

    Args:
        position: (n, 2) on the ground [m].
        label: (n,) class.
        track: (n,) number of the track; at most one object of each.
    """

    position: np.ndarray
    label: np.ndarray
    track: np.ndarray


@dataclass(frozen=True)
class IdentityScores:
    """Shares of all objects of all instants.

    Args:
        idf1: 2 IDTP / (true objects + found objects).
        idp: IDTP / found objects.
        idr: IDTP / true objects.
        f1: what IDF1 would be with the same objects and perfect tracks: the share of matches frame
            by frame.
    """

    idf1: float
    idp: float
    idr: float
    f1: float


def identity_scores(
    truth: Sequence[TrackedObjects], found: Sequence[TrackedObjects], distance: float = 2.0
) -> IdentityScores:
    """Scores of found tracks.

    A true and a found object match where their classes are equal and they are at most `distance`
    [m] apart. Each true track belongs to one found track at most, and the other way round: IDTP is
    the most matches that such an assignment of whole tracks has.

    Args:
        truth: true objects of each instant.
        found: found objects of the same instants.
        distance: largest distance of a match [m].
    """
    true_tracks, true_rows = _rows([one.track for one in truth])
    found_tracks, found_rows = _rows([one.track for one in found])
    together = np.zeros((len(true_tracks), len(found_tracks)), int)
    matched = 0
    for true, mine, rows, columns in zip(truth, found, true_rows, found_rows):
        offset = true.position[:, None] - mine.position[None]
        near = np.linalg.norm(offset, axis=-1) <= distance
        match = near & (true.label[:, None] == mine.label[None])
        together[np.ix_(rows, columns)] += match
        matched += match[linear_sum_assignment(match, maximize=True)].sum()
    same = together[linear_sum_assignment(together, maximize=True)].sum()
    true_number = sum(map(len, true_rows))
    found_number = sum(map(len, found_rows))
    return IdentityScores(
        idf1=_share(2 * same, true_number + found_number),
        idp=_share(same, found_number),
        idr=_share(same, true_number),
        f1=_share(2 * matched, true_number + found_number),
    )


def _rows(tracks: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """All track numbers, and the index of each object's number among them, by instant."""
    numbers, index = np.unique(np.concatenate([*tracks, []]), return_inverse=True)
    ends = np.cumsum([len(one) for one in tracks])
    return numbers, np.split(index, ends[:-1])


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
