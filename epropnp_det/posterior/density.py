"""Densities of weighted samples, as of pose distributions. NumPy, one distribution at a time.

Both the smoothness of a drawn density and the ranking behind a highest density region rest on one
    measure: how far around a place
one has to go to meet a given share of the weight. It adapts to every peak by itself, where one
bandwidth for all would blur the peaks of a heading that may be turned round.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import i0e

# Kernel widths in radii that hold 1 / sqrt(effective samples) of the weight: no ripples at 512
# samples
_SMOOTHING = 4.0
_SHARPEST = 1e-4  # rad, the smallest radius


def effective_sample_size(weight: np.ndarray) -> float:
    """1 / sum of squares of normalised weights (S,): between 1 and S."""
    return float(1 / np.square(weight / weight.sum()).sum())


def wrapped(angle: np.ndarray) -> np.ndarray:
    """The same angles (...) in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def yaw_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(A,), (B,) rad -> (A, B) angle between them, in [0, pi]."""
    return np.abs(wrapped(one[:, None] - other))


def rotation_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(A, 4), (B, 4) unit quaternions -> (A, B) angle of the rotation between them, in [0, pi]."""
    chord = np.minimum(distances(one, other), distances(one, -other))
    return 4 * np.arcsin(np.clip(chord / 2, 0, 1))


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(A, D), (B, D) -> (A, B) Euclidean."""
    return cdist(one, other)


def radius_containing_mass(distance: np.ndarray, weight: np.ndarray, share: float) -> np.ndarray:
    """The smallest radius around each place that holds a share of the weight.

    Args:
        distance: (A, S) from the places to the samples.
        weight: (S,), or (A, S) where each place counts the samples differently; a row need not sum
            to one.
        share: share of the weight of the row.

    Returns:
        (A,) in the unit of the distances.
    """
    order = np.argsort(distance, axis=1)
    held = np.take_along_axis(np.broadcast_to(weight, distance.shape), order, axis=1).cumsum(axis=1)
    nearest = (held < share * held[:, -1:]).sum(axis=1).clip(max=distance.shape[1] - 1)
    return np.take_along_axis(
        distance, np.take_along_axis(order, nearest[:, None], axis=1), axis=1
    )[:, 0]


def knn_mass(weight: np.ndarray) -> float:
    """The share of the weight that a density is estimated from: of n effective samples, the nearest
    sqrt(n).
    """
    return 1 / np.sqrt(effective_sample_size(weight))


def yaw_density(yaw: np.ndarray, weight: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Density [1/rad] at angles (A,) of weighted samples (S,): a von Mises kernel for each, wide
    where samples are rare.

    A kernel's width goes with the square root of one over the density (Abramson 1982, "On bandwidth
    variation in kernel estimates").
    """
    radius = np.clip(
        radius_containing_mass(yaw_distances(yaw, yaw), weight, knn_mass(weight)), _SHARPEST, None
    )
    concentration = 1 / (_SMOOTHING**2 * radius * np.exp(np.log(radius).mean()))
    kernel = np.exp(concentration * (np.cos(at[:, None] - yaw) - 1)) / (
        2 * np.pi * i0e(concentration)
    )
    return kernel @ (weight / weight.sum())


def direction_density(
    direction: np.ndarray, weight: np.ndarray, at: np.ndarray, least_width: float = _SHARPEST
) -> np.ndarray:
    """Density [1/sr] at unit vectors (A, 3) of weighted unit vectors (S, 3): a von Mises-Fisher
    kernel for each, wide where samples are rare.

    In two dimensions the square root of one over the density goes with the radius (Abramson 1982).

    Args:
        least_width: [rad], smallest width of a kernel.
    """
    angle = np.arccos(np.clip(direction @ direction.T, -1, 1))
    radius = radius_containing_mass(angle, weight, knn_mass(weight))
    concentration = 1 / np.clip(radius, least_width, None) ** 2
    height = concentration / (2 * np.pi * -np.expm1(-2 * concentration))
    kernel = height * np.exp(concentration * (at @ direction.T - 1))
    return kernel @ (weight / weight.sum())


def resample(weight: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) of samples, each as often as its weight (S,) requires, up to
    rounding: systematic resampling without random numbers.
    """
    shares = np.cumsum(weight / weight.sum())
    return np.searchsorted(shares, (np.arange(count) + 0.5) / count).clip(max=len(weight) - 1)
