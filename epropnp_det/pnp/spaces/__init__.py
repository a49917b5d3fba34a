"""The pose spaces: how a pose vector acts on points, moves along a tangent and mirrors.

All other modules use poses through these classes alone, so a further pose space is one more class
and one more entry of `SPACES`.
"""

from __future__ import annotations

from torch import Tensor

from .base import PoseSpace
from .se3 import SE3Pose
from .yaw import YawPose

SPACES: dict[int, type[PoseSpace]] = {space.dim: space for space in (YawPose, SE3Pose)}


def pose_space(pose: Tensor) -> type[PoseSpace]:
    """The pose space of a tensor (..., D), chosen by D.

    Raises:
        ValueError: no pose space has D numbers.
    """
    # int: torch.jit.trace has a tensor in place of the number.
    space = SPACES.get(int(pose.shape[-1])) if pose.ndim else None
    if space is None:
        raise ValueError(
            "a pose has 4 numbers (x, y, z, yaw) or 7 (x, y, z, qw, qx, qy, qz) in its last "
            f"dim, not {tuple(pose.shape)}"
        )
    return space
