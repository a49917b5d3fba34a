"""Random poses and pose errors of the 6DoF demonstrations."""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.pnp import SE3Pose


def random_poses(
    number: int, low: tuple[float, ...], high: tuple[float, ...], generator: torch.Generator
) -> Tensor:
    """Poses (number, 7): translation uniform in a box from `low` to `high` [m], orientation uniform
    over all rotations.
    """
    lowest = torch.tensor(low)
    highest = torch.tensor(high)
    pose = SE3Pose.random_rotation((number,), lowest, generator)
    translation = lowest + (highest - lowest) * torch.rand((number, 3), generator=generator)
    return torch.cat((translation, pose[:, 3:]), dim=-1)


def orientation_error(pose: Tensor, target: Tensor) -> Tensor:
    """Angle (...) [degrees] between the orientations of poses (..., 7)."""
    # By the distance of the quaternions: the arc cosine of their product has no digits left for
    # small angles.
    found = pose[..., 3:]
    true = target[..., 3:]
    chord = torch.minimum((found - true).norm(dim=-1), (found + true).norm(dim=-1))
    return (4 * (chord / 2).clamp(max=1).asin()).rad2deg()


def translation_error(pose: Tensor, target: Tensor) -> Tensor:
    """Distance (...) [m] between the translations of poses (..., 7)."""
    return (pose - target)[..., :3].norm(dim=-1)
