"""The start of the released programs' test: EPnP by OpenCV on the cells of largest weight."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from epropnp_det.pnp import PnPProblem

from ..rigid_pose import RigidPose

# Cells of the released test: those whose mean weight reaches this quantile.
QUANTILE = 0.8
NO_DISTORTION = np.zeros(4)
NO_POSE = torch.full((7,), torch.nan, dtype=torch.float64)


@torch.no_grad()
def epnp_start(problem: PnPProblem, quantile: float = QUANTILE) -> Tensor:
    """Poses (B, 7) by EPnP on the points whose mean weight reaches the quantile; NaN where OpenCV
    finds none.

    Args:
        problem: (B,) of a camera with intrinsics, no tilt.
        quantile: share of the points that stays out.
    """
    weight = problem.points.w2d.mean(-1)
    chosen = weight >= weight.quantile(quantile, dim=-1, keepdim=True)
    poses = [
        _epnp(
            problem.points.x3d[index][chosen[index]].double().cpu().numpy(),
            problem.points.x2d[index][chosen[index]].double().cpu().numpy(),
            problem.camera.matrix[index].double().cpu().numpy(),
        )
        for index in range(len(weight))
    ]
    empty = weight.new_empty(0, 7)
    return torch.stack(poses).to(empty) if poses else empty


def _epnp(x3d: np.ndarray, x2d: np.ndarray, matrix: np.ndarray) -> Tensor:
    """The pose (7,) of points (N, 3) [m] and pixels (N, 2), or NaN."""
    try:
        found, turn, position = cv2.solvePnP(
            x3d, x2d, matrix, NO_DISTORTION, flags=cv2.SOLVEPNP_EPNP
        )
    except cv2.error:
        return NO_POSE
    return pose_vector(turn, position) if found else NO_POSE


def pose_vector(turn: np.ndarray, position: np.ndarray) -> Tensor:
    """The pose (7,) of a rotation vector (3, 1) and a position (3, 1); NaN where they are not
    finite.
    """
    if not (np.isfinite(turn).all() and np.isfinite(position).all()):
        return NO_POSE
    return torch.from_numpy(RigidPose(cv2.Rodrigues(turn)[0], position[:, 0]).to_vector())
