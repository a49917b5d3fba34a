"""Weighted samples of a quantity, ranked by their density: levels of values, and regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .density import (
    distances,
    knn_mass,
    radius_containing_mass,
    rotation_distances,
    yaw_distances,
)

_TINY = np.finfo(float).tiny


@dataclass(frozen=True)
class Region:
    """The values whose level is at most `level`: a highest density region, of one or more parts.

    Args:
        ranked: the samples that it is made of.
        level: 1 or more means every value.
        inside: (S,) bool, the samples in it.
        volume: in the units of the quantity; infinite where every value is inside and there is no
            bound. An estimate from the samples inside.
    """

    ranked: RankedSamples
    level: float
    inside: np.ndarray
    volume: float

    def contains(self, values: np.ndarray) -> np.ndarray:
        """(A,) bool of values (A, ...)."""
        return self.ranked.levels(values) <= self.level


@dataclass(frozen=True)
class RankedSamples:
    """Weighted samples (S,) of a quantity, ranked by how dense they lie.

    The radius around a place that holds `share` of the weight ranks the place; neither a sample nor
    a value that is compared counts for its own radius.

    Args:
        weight: (S,), sums to one.
        radius: (S,) of the samples.
        share: a share of the weight.
        distances_to: from values (A, ...) to their distances (A, S) from the samples.
        ball: volume of the values within a radius.
        whole: volume of all values there are.
    """

    weight: np.ndarray
    radius: np.ndarray
    share: float
    distances_to: Callable[[np.ndarray], np.ndarray]
    ball: Callable[[np.ndarray], np.ndarray]
    whole: float = math.inf

    @classmethod
    def of(
        cls,
        weight: np.ndarray,
        among: np.ndarray,
        distances_to: Callable[[np.ndarray], np.ndarray],
        ball: Callable[[np.ndarray], np.ndarray],
        whole: float = math.inf,
    ) -> RankedSamples:
        """From the distances (S, S) among the samples; the weights need not sum to one."""
        share = knn_mass(weight)
        others = np.tile(weight, (len(weight), 1))
        np.fill_diagonal(others, 0)
        radius = radius_containing_mass(among, others, share)
        return cls(weight / weight.sum(), radius, share, distances_to, ball, whole)

    def levels(self, values: np.ndarray) -> np.ndarray:
        """(A,) share of the weight whose samples lie in denser places than values (A, ...)."""
        radius = radius_containing_mass(self.distances_to(values), self.weight, self.share)
        return (self.radius < radius[:, None]) @ self.weight

    def region(self, level: float) -> Region:
        """The region of the values whose level is at most `level`.

        Its volume is the integral of one over the density, which is the share over the volume of
        the ball that holds it.
        """
        if level >= 1:
            return Region(self, level, np.ones(len(self.weight), dtype=bool), self.whole)
        order = np.argsort(self.radius, kind="stable")
        denser = np.empty(len(order))
        denser[order] = self.weight[order].cumsum() - self.weight[order]
        inside = denser <= level
        volume = float(self.weight[inside] @ self.ball(self.radius[inside]) / self.share)
        return Region(self, level, inside, min(volume, self.whole))


def ranked_yaw(yaw: np.ndarray, weight: np.ndarray) -> RankedSamples:
    """Headings (S,) [rad]; values are (A,), volumes are angles [rad]."""
    return RankedSamples.of(
        weight,
        yaw_distances(yaw, yaw),
        lambda values: yaw_distances(values, yaw),
        lambda radius: 2 * radius,
        2 * math.pi,
    )


def ranked_position(position: np.ndarray, weight: np.ndarray) -> RankedSamples:
    """Positions (S, D) [m]; values are (A, D), volumes in m^D. Distances are in standard deviations
    along the main axes: positions along a viewing ray are far less certain than across.
    """
    whiten = _whitening(position, weight)
    samples = position @ whiten
    dims = position.shape[1]
    unit = _ball(dims) / abs(np.linalg.det(whiten))
    return RankedSamples.of(
        weight,
        distances(samples, samples),
        lambda values: distances(values @ whiten, samples),
        lambda radius: unit * radius**dims,
    )


def ranked_orientation(quaternion: np.ndarray, weight: np.ndarray) -> RankedSamples:
    """Orientations (S, 4), unit quaternions, whose signs change nothing; values are (A, 4), volumes
    in rad^3, all orientations have 8 pi^2.
    """
    return RankedSamples.of(
        weight,
        rotation_distances(quaternion, quaternion),
        lambda values: rotation_distances(values, quaternion),
        lambda radius: 8 * math.pi * (radius - np.sin(radius)),
        8 * math.pi**2,
    )


def ranked_pose(pose: np.ndarray, weight: np.ndarray) -> RankedSamples:
    """Poses (S, 4) x, y, z, yaw or (S, 7) x, y, z, qw, qx, qy, qz; values are (A, 4) or (A, 7),
    volumes in m^3 rad or m^3 rad^3.

    The distance of two poses is that of their positions in standard deviations and that of their
    orientations in root mean square angles of the samples, as the legs of a right triangle.
    """
    turned = rotation_distances if pose.shape[1] == 7 else _yaw_column_distances
    freedom = 3 if pose.shape[1] == 7 else 1
    whiten = _whitening(pose[:, :3], weight)
    samples = pose[:, :3] @ whiten
    turns = turned(pose[:, 3:], pose[:, 3:])
    share = weight / weight.sum()
    unit = math.sqrt(max(share @ turns**2 @ share, _TINY) / freedom)

    def distances_to(values: np.ndarray) -> np.ndarray:
        place = distances(values[:, :3] @ whiten, samples)
        return np.hypot(place, turned(values[:, 3:], pose[:, 3:]) / unit)

    dims = 3 + freedom
    size = _ball(dims) * unit**freedom / abs(np.linalg.det(whiten))
    among = np.hypot(distances(samples, samples), turns / unit)
    return RankedSamples.of(weight, among, distances_to, lambda radius: size * radius**dims)


def _yaw_column_distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return yaw_distances(one[:, 0], other[:, 0])


def _whitening(position: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Matrix (D, D) that takes positions (S, D) to standard deviations along the main axes."""
    weight = weight / weight.sum()
    centred = position - weight @ position
    scale, axes = np.linalg.eigh((weight * centred.T) @ centred)
    return axes / np.sqrt(np.clip(scale, _TINY, None))


def _ball(dims: int) -> float:
    """Volume of the unit ball."""
    return math.pi ** (dims / 2) / math.gamma(dims / 2 + 1)
