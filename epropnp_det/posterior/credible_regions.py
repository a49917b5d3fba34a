"""Whether predicted distributions mean what they say: how often the truth lies in a region of a
given probability.

The region of probability p is the smallest that holds p of the predicted weight, the highest
density region; it may have several
parts, as for a heading that could be turned round. Whether the truth lies inside needs no region:
    its *level* is the predicted
weight of all that is likelier than the truth, and it lies inside where level <= p. Over many
objects the levels of calibrated predictions are spread evenly between 0 and 1.

What is likelier is decided by the radius around a sample that holds a small share of the others'
weight (`density`). A sample
does not count for its own radius, as the truth does not count for its own: so truth and samples are
    ranked alike, and the share of
truths inside is right for calibrated predictions whatever the radius says about the density. The
estimate of the density only decides how small the regions are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .density import distances, knn_mass, radius_containing_mass, yaw_distances

NOMINAL = (0.5, 0.68, 0.9, 0.95)


def yaw_hpd_level(yaw: np.ndarray, weight: np.ndarray, truth: float) -> float:
    """Level in [0, 1] of a true yaw [rad] in weighted samples (S,) of it; a whole turn changes
    nothing.
    """
    return _level(yaw_distances(yaw, yaw), yaw_distances(np.array([truth]), yaw), weight)


def position_hpd_level(position: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true position (D,) in weighted samples (S, D); independent of units and
    axes.
    """
    weight = weight / weight.sum()
    centred = position - weight @ position
    # Distances in standard deviations: along a viewing ray positions are far less certain than
    # across.
    scale, axes = np.linalg.eigh((weight * centred.T) @ centred)
    whiten = axes / np.sqrt(np.clip(scale, np.finfo(float).tiny, None))
    samples, place = centred @ whiten, (truth - weight @ position) @ whiten
    return _level(distances(samples, samples), distances(place[None], samples), weight)


def _level(among: np.ndarray, to_truth: np.ndarray, weight: np.ndarray) -> float:
    """Share of the weight (S,) whose samples are in denser places than the truth; distances (S, S)
    and (1, S).
    """
    share = knn_mass(weight)
    radius = radius_containing_mass(among, weight * (1 - np.eye(len(weight))), share)
    return float(weight @ (radius < radius_containing_mass(to_truth, weight, share)) / weight.sum())


def coverage(levels: Sequence[float] | np.ndarray, nominal: float) -> float:
    """Share of the truths with these levels that lie in the regions of probability `nominal`."""
    return float(np.mean(np.asarray(levels) <= nominal))


def binomial_error(nominal: float, count: int) -> float:
    """Standard deviation of the coverage of `count` truths where the predictions are calibrated."""
    return math.sqrt(nominal * (1 - nominal) / count)
