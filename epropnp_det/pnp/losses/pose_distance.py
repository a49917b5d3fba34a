"""Distance between poses, l of Eq. (10)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spaces import pose_space
from ..spaces.yaw import YawPose


def pose_distance(pose: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """l of Eq. (10): `position_distance` plus `orientation_distance`.

    Args:
        pose: (..., D).
        target: (..., D).
        beta: position error [m] at which the square becomes a line.

    Returns:
        (...), never negative.
    """
    return position_distance(pose, target, beta) + orientation_distance(pose, target)


def position_distance(pose: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """First term of Eq. (10): smooth L1 of the Euclidean norm of the position error [m].

    Args:
        pose: (..., D).
        target: (..., D).
        beta: error [m] at which the square becomes a line.

    Returns:
        (...), never negative.
    """
    return smooth_l1_norm((pose - target)[..., :3], beta)


def orientation_distance(pose: Tensor, target: Tensor) -> Tensor:
    """Second term of Eq. (10): 1 - cos of the angle between the orientations.

    For quaternions this equals 2 (1 - <q, q'>^2).

    Args:
        pose: (..., D).
        target: (..., D).

    Returns:
        (...), in [0, 2].
    """
    space = pose_space(pose)
    if space is YawPose:
        return 1 - (pose - target)[..., 3].cos()
    # |R - R'|^2 = 4 (1 - cos angle); the product of quaternions would cancel near zero.
    return (space.rotation(pose) - space.rotation(target)).square().sum((-2, -1)) / 4


def smooth_l1_norm(error: Tensor, beta: float = 1.0) -> Tensor:
    """Smooth L1 of the Euclidean norm of errors (..., D) -> (...), with a gradient everywhere.

    Args:
        error: (..., D), any unit.
        beta: norm at which the square becomes a line, in the unit of the error.
    """
    # The norm has no gradient at zero; a tiny floor under the root gives it one.
    norm = (error.square().sum(-1) + 1e-12).sqrt()
    return F.smooth_l1_loss(norm, torch.zeros_like(norm), beta=beta, reduction="none")
