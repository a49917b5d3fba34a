"""Tracks of detections on the ground: constant velocity, and one assignment per frame.

Positions are in the global frame, which does not move with the vehicle, or where its motion is not
known in the level frame of its camera. Each detection counts as much as its predicted covariance
allows, both in the assignment and in the track.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment

if TYPE_CHECKING:
    from .boxes import Boxes3D
    from .evaluation.camera_fusion import GlobalBoxes3D

# Stands for an impossible pair: more than any sum of possible costs.
IMPOSSIBLE = 1e6
# Standard deviation of a position whose covariance is not known [m].
UNKNOWN = 1.0


@dataclass(frozen=True)
class GroundDetections:
    """n detections of an instant, on the ground.

    Args:
        position: (n, 2) [m].
        covariance: (n, 2, 2) of the position [m^2].
        velocity: (n, 2) [m/s]; NaN where unknown.
        label: (n,) class; tracks never change it.
    """

    position: np.ndarray
    covariance: np.ndarray
    velocity: np.ndarray
    label: np.ndarray

    @classmethod
    def of_global(cls, boxes: GlobalBoxes3D) -> GroundDetections:
        """Detections of all cameras of a sample, x and y in the global frame; the covariance is one
        of `UNKNOWN` where it is not finite.
        """
        known = _known(boxes.covariance[:, :2, :2])
        return cls(boxes.center[:, :2], known, boxes.velocity, boxes.label)

    @classmethod
    def of_camera(cls, boxes: Boxes3D) -> GroundDetections:
        """Detections of one camera with finite poses, x and z in its level frame. Their velocities
        are over the ground, and that of the camera is not known: those of the tracks, relative to
        the camera, follow from the positions alone.
        """
        level = boxes.in_level_frame()
        number = len(level)
        covariance = np.full((number, 2, 2), np.nan)
        if level.covariance is not None:
            covariance = level.covariance[:, :3:2, :3:2].double().numpy()
        position = level.pose[:, :3:2].double().numpy()
        unknown = np.full((number, 2), np.nan)
        return cls(position, _known(covariance), unknown, level.label.numpy())

    def __len__(self) -> int:
        return len(self.label)


def _known(covariance: np.ndarray) -> np.ndarray:
    """Covariances (n, 2, 2) with that of `UNKNOWN` in place of others that are not finite."""
    finite = np.isfinite(covariance).all(axis=(1, 2), keepdims=True)
    return np.where(finite, covariance, UNKNOWN**2 * np.eye(2))


@dataclass(frozen=True)
class TrackerSettings:
    """How objects move and how detections err.

    Args:
        acceleration: standard deviation of the acceleration of an object [m/s^2].
        position_noise: standard deviation of a position, added to its predicted covariance [m].
        velocity_noise: that of a detected velocity [m/s].
        unknown_speed: that of an object whose velocity is not known [m/s].
        gate: squared Mahalanobis distance above which a detection belongs to no track; 13.8 keeps
            99.9 % of the right ones.
        max_gap: seconds that a track lives without a detection.
    """

    acceleration: float = 2.0
    position_noise: float = 0.5
    velocity_noise: float = 2.0
    unknown_speed: float = 10.0
    gate: float = 13.8
    max_gap: float = 1.5


# Relative to a camera that moves: the velocity of traffic that comes towards it, and what a bend of
# its way adds to the accelerations.
MOVING_CAMERA = TrackerSettings(acceleration=4.0, unknown_speed=20.0)


@dataclass(frozen=True)
class Tracks:
    """m tracks at a time.

    Args:
        mean: (m, 4) position [m] and velocity [m/s].
        covariance: (m, 4, 4).
        label: (m,) class.
        identity: (m,) number of the track.
        seen: (m,) time of the last detection [s].
        time: that of mean and covariance [s].
        next_identity: number of the next new track.
    """

    mean: np.ndarray
    covariance: np.ndarray
    label: np.ndarray
    identity: np.ndarray
    seen: np.ndarray
    time: float = 0.0
    next_identity: int = 0

    @classmethod
    def none(cls) -> Tracks:
        """No tracks yet."""
        integers = np.zeros(0, int)
        return cls(np.zeros((0, 4)), np.zeros((0, 4, 4)), integers, integers, np.zeros(0))

    def __len__(self) -> int:
        return len(self.label)


def update(
    tracks: Tracks, detections: GroundDetections, time: float, settings: TrackerSettings
) -> tuple[Tracks, np.ndarray]:
    """The tracks after the detections of an instant, and the number (n,) of each detection's track.

    Args:
        tracks: those of earlier instants.
        detections: all of this instant; each goes to a track or starts a new one.
        time: that of the detections [s], not before that of the tracks.
        settings: motion and noise.
    """
    predicted = predict(tracks, time, settings)
    track, detection = assign(predicted, detections, settings)
    mean, covariance = _measured(detections, settings)
    corrected = _corrected(predicted, track, mean[detection], covariance[detection])
    corrected.seen[track] = time
    alive = time - corrected.seen <= settings.max_gap
    new = np.setdiff1d(np.arange(len(detections)), detection)
    identity = np.empty(len(detections), int)
    identity[detection] = corrected.identity[track]
    identity[new] = tracks.next_identity + np.arange(len(new))
    return Tracks(
        np.concatenate((corrected.mean[alive], mean[new])),
        np.concatenate((corrected.covariance[alive], covariance[new])),
        np.concatenate((corrected.label[alive], detections.label[new])),
        np.concatenate((corrected.identity[alive], identity[new])),
        np.concatenate((corrected.seen[alive], np.full(len(new), time))),
        time,
        tracks.next_identity + len(new),
    ), identity


def predict(tracks: Tracks, time: float, settings: TrackerSettings) -> Tracks:
    """The tracks at a later time, each at constant velocity."""
    step = time - tracks.time
    motion = np.eye(4)
    motion[:2, 2:] = step * np.eye(2)
    # What a constant random acceleration adds within the step.
    gain = np.concatenate((step**2 / 2 * np.eye(2), step * np.eye(2)))
    noise = settings.acceleration**2 * gain @ gain.T
    return replace(
        tracks,
        mean=tracks.mean @ motion.T,
        covariance=motion @ tracks.covariance @ motion.T + noise,
        time=time,
    )


def assign(
    tracks: Tracks, detections: GroundDetections, settings: TrackerSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the tracks and detections that belong together: of all assignments the most
    likely, under Gaussian errors of both.
    """
    difference = detections.position[None] - tracks.mean[:, None, :2]
    noise = settings.position_noise**2 * np.eye(2)
    covariance = detections.covariance[None] + tracks.covariance[:, None, :2, :2] + noise
    whitened = np.linalg.solve(covariance, difference[..., None])[..., 0]
    squared = (difference * whitened).sum(axis=-1)
    same = tracks.label[:, None] == detections.label[None]
    possible = same & (squared <= settings.gate)
    cost = np.where(possible, squared + np.linalg.slogdet(covariance)[1], IMPOSSIBLE)
    track, detection = linear_sum_assignment(cost)
    kept = possible[track, detection]
    return track[kept], detection[kept]


def _measured(
    detections: GroundDetections, settings: TrackerSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Position and velocity (n, 4) of detections, and their covariance (n, 4, 4)."""
    known = np.isfinite(detections.velocity).all(axis=1)
    velocity = np.where(known[:, None], detections.velocity, 0.0)
    deviation = np.where(known, settings.velocity_noise, settings.unknown_speed)
    covariance = np.zeros((len(detections), 4, 4))
    covariance[:, :2, :2] = detections.covariance + settings.position_noise**2 * np.eye(2)
    covariance[:, 2:, 2:] = (deviation**2)[:, None, None] * np.eye(2)
    return np.concatenate((detections.position, velocity), axis=1), covariance


def _corrected(
    tracks: Tracks, track: np.ndarray, measured: np.ndarray, noise: np.ndarray
) -> Tracks:
    """The tracks after Kalman's correction of k of them, of index `track` (k,), by measured states
    (k, 4) with covariances (k, 4, 4).
    """
    before = tracks.covariance[track]
    gain = before @ np.linalg.inv(before + noise)
    mean = tracks.mean.copy()
    covariance = tracks.covariance.copy()
    innovation = measured - mean[track]
    mean[track] += (gain @ innovation[..., None])[..., 0]
    covariance[track] = before - gain @ before
    return replace(tracks, mean=mean, covariance=covariance, seen=tracks.seen.copy())
