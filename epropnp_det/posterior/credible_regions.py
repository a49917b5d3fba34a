"""Calibration of predicted distributions: how often the ground truth lies in a region of a given
probability.

The region of probability p is the smallest one that holds p of the predicted weight, the highest
density region. It may have several parts, for example for an ambiguous heading. No region has to be
constructed: the *level* of the true value is the predicted weight of all more likely values, and
the true value lies inside the region where level <= p. Over many objects, the levels of calibrated
predictions are uniform between 0 and 1.

The likelihood of a value is ranked by the radius around it that holds a small share of the weight
(`density`). A sample does not count for its own radius, and neither does the true value, so both
are ranked in the same way, and the coverage is correct for calibrated predictions for any density
estimate. The estimate only decides the size of the regions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .ranking import ranked_orientation, ranked_pose, ranked_position

NOMINAL = (0.5, 0.68, 0.9, 0.95)


def position_hpd_level(position: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true position (D,) in weighted samples (S, D); independent of units and
    axes.
    """
    return float(ranked_position(position, weight).levels(truth[None])[0])


def orientation_hpd_level(quaternion: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true orientation (4,) in weighted samples (S, 4). They are unit
    quaternions, whose signs change nothing.
    """
    return float(ranked_orientation(quaternion, weight).levels(truth[None])[0])


def pose_hpd_level(pose: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true pose (D,) in weighted samples (S, D), D = 4 or 7, see
    `ranked_pose`.
    """
    return float(ranked_pose(pose, weight).levels(truth[None])[0])


def coverage(levels: Sequence[float] | np.ndarray, nominal: float) -> float:
    """Share of the true values with these levels that lie in regions of probability `nominal`."""
    return float(np.mean(np.asarray(levels) <= nominal))


def binomial_error(nominal: float, count: int) -> float:
    """Standard deviation of the coverage of `count` true values of calibrated predictions."""
    return math.sqrt(nominal * (1 - nominal) / count)
