"""Distance between poses, l of Eq. (10)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..spaces import pose_space


def pose_distance(pose: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """l of Eq. (10): smooth L1 of the position error [m], plus 1 - cos of the angle between the
    orientations.

    Args:
        pose: (..., D).
        target: (..., D).
        beta: position error [m] at which the square becomes a line.

    Returns:
        (...), never negative.
    """
    space = pose_space(pose)
    # |R - R'|^2 = 4 (1 - cos angle); for quaternions it is the same as 2 (1 - <q, q'>^2).
    orientation = (space.rotation(pose) - space.rotation(target)).square().sum((-2, -1)) / 4
    # The norm has no gradient at zero; a tiny floor under the root gives it one.
    error = ((pose - target)[..., :3].square().sum(-1) + 1e-12).sqrt()
    return (
        F.smooth_l1_loss(error, torch.zeros_like(error), beta=beta, reduction="none") + orientation
    )
