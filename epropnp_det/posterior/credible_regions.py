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

from .density import (
    distances,
    knn_mass,
    radius_containing_mass,
    rotation_distances,
    yaw_distances,
)

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
    samples, place = _whitened(position, weight, truth)
    return _level(distances(samples, samples), distances(place, samples), weight)


def orientation_hpd_level(quaternion: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true orientation (4,) in weighted samples (S, 4). They are unit
    quaternions, whose signs change nothing.
    """
    among = rotation_distances(quaternion, quaternion)
    return _level(among, rotation_distances(truth[None], quaternion), weight)


def pose_hpd_level(pose: np.ndarray, weight: np.ndarray, truth: np.ndarray) -> float:
    """Level in [0, 1] of a true pose (7,) in weighted samples (S, 7): x, y, z, qw, qx, qy, qz.

    The distance of two poses is that of their positions in standard deviations and that of their
    orientations in root mean square angles of the samples, as the legs of a right triangle.
    """
    samples, place = _whitened(pose[:, :3], weight, truth[:3])
    turns = rotation_distances(pose[:, 3:], pose[:, 3:])
    share = weight / weight.sum()
    unit = math.sqrt(max(share @ turns**2 @ share, np.finfo(float).tiny) / 3)
    among = np.hypot(distances(samples, samples), turns / unit)
    turned = rotation_distances(truth[None, 3:], pose[:, 3:])
    return _level(among, np.hypot(distances(place, samples), turned / unit), weight)


def _whitened(
    position: np.ndarray, weight: np.ndarray, truth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Samples (S, D) and true value (1, D) in standard deviations along the main axes: positions
    along a viewing ray are far less certain than across.
    """
    weight = weight / weight.sum()
    centred = position - weight @ position
    scale, axes = np.linalg.eigh((weight * centred.T) @ centred)
    whiten = axes / np.sqrt(np.clip(scale, np.finfo(float).tiny, None))
    return centred @ whiten, (truth - weight @ position)[None] @ whiten


def _level(among: np.ndarray, to_truth: np.ndarray, weight: np.ndarray) -> float:
    """Share of the weight (S,) whose samples are in denser places than the true value; distances
    (S, S) and (1, S).
    """
    share = knn_mass(weight)
    radius = radius_containing_mass(among, weight * (1 - np.eye(len(weight))), share)
    return float(weight @ (radius < radius_containing_mass(to_truth, weight, share)) / weight.sum())


def coverage(levels: Sequence[float] | np.ndarray, nominal: float) -> float:
    """Share of the true values with these levels that lie in regions of probability `nominal`."""
    return float(np.mean(np.asarray(levels) <= nominal))


def binomial_error(nominal: float, count: int) -> float:
    """Standard deviation of the coverage of `count` true values of calibrated predictions."""
    return math.sqrt(nominal * (1 - nominal) / count)
