"""The poses of a drive in its first frame, with the covariance of their drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from epropnp_det.pnp import SE3Pose

from .matches import Matches
from .trackers import Solver, Step, pose_of

# Relative error of lengths that all frames share, one standard deviation: optical flow finds every
# motion a little too short or too long. Without it the drift of four training drives lay in its
# 50 % region for a quarter of the frames.
SCALE_ERROR = 5e-4


@dataclass(frozen=True)
class Trajectory:
    """Poses of the camera in its first frame.

    Args:
        poses: (T, 4, 4), camera to the first camera frame.
        covariance: (T, 6, 6) of translation [m] and rotation vector [rad] in its axes, of drift
            since the first frame.
        steps: what the solver found, for every frame but the first.
    """

    poses: np.ndarray
    covariance: np.ndarray
    steps: list[Step]


def run(matches: Sequence[Matches], solver: Solver) -> Trajectory:
    """The solver on every frame, each predicted at constant velocity."""
    poses = [np.eye(4)]
    independent = [np.zeros((6, 6))]
    steps = []
    motion = np.eye(4)
    for one in matches:
        last = np.linalg.inv(poses[-1]) @ poses[one.keyframe]
        predicted = motion @ last
        step = solver(one, pose_of(predicted[:3, :3], predicted[:3, 3]))
        steps.append(step)
        current = np.eye(4)
        current[:3] = SE3Pose.matrix(step.pose).numpy()
        motion = current @ np.linalg.inv(last)
        back = np.linalg.inv(current)
        poses.append(poses[one.keyframe] @ back)
        independent.append(composed(poses, independent, one.keyframe, back, step))
    found = np.stack(poses)
    return Trajectory(found, np.stack(independent) + shared(found[:, :3, 3]), steps)


def composed(
    poses: Sequence[np.ndarray],
    covariance: Sequence[np.ndarray],
    keyframe: int,
    back: np.ndarray,
    step: Step,
) -> np.ndarray:
    """Covariance (6, 6) of a pose in the first frame, from that of its keyframe and its own, which
    are taken as independent.
    """
    rotation = poses[keyframe][:3, :3]
    arm = rotation @ back[:3, 3]
    carried = np.eye(6)
    # A turn of the keyframe moves the camera by turn x arm.
    carried[:3, 3:] = np.cross(np.eye(3), arm).T
    turned = np.kron(np.eye(2), rotation)
    own = turned @ step.covariance.numpy() @ turned.T
    return carried @ covariance[keyframe] @ carried.T + own


def shared(position: np.ndarray) -> np.ndarray:
    """Covariance (T, 6, 6) of an error of the scale, at positions (T, 3) in the first frame."""
    covariance = np.zeros((len(position), 6, 6))
    covariance[:, :3, :3] = SCALE_ERROR**2 * position[:, :, None] * position[:, None, :]
    return covariance
