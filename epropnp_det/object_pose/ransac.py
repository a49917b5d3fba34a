"""RANSAC and EPnP by OpenCV: poses from coordinates and a mask, without learnt weights. The
baseline of Table 1 (CDPN).
"""

from __future__ import annotations

import cv2
import torch
from torch import Tensor

from epropnp_det.pnp import PnPProblem

from .released.epnp import NO_DISTORTION, NO_POSE, pose_vector

ITERATIONS = 100
# EPnP needs four points.
_LEAST_POINTS = 4


@torch.no_grad()
def ransac_epnp_start(problem: PnPProblem) -> Tensor:
    """Poses (B, 7) by EPnP on the points that most hypotheses agree with; NaN where OpenCV finds
    none.

    Points without weight take no part. The others agree with a hypothesis whose weighted residual
    is below one: with weights of 1 / cell that is an error of one cell.

    Args:
        problem: (B,) of a camera with intrinsics, no tilt.
    """
    weight = problem.points.w2d.mean(-1)
    poses = []
    for index, own in enumerate(weight):
        chosen = own > 0
        if chosen.sum() < _LEAST_POINTS:
            poses.append(NO_POSE)
            continue
        poses.append(
            _ransac(
                problem.points.x3d[index][chosen],
                problem.points.x2d[index][chosen],
                problem.camera.matrix[index],
                1 / float(own.max()),
            )
        )
    empty = weight.new_empty(0, 7)
    return torch.stack(poses).to(empty) if poses else empty


def _ransac(x3d: Tensor, x2d: Tensor, matrix: Tensor, threshold: float) -> Tensor:
    """The pose (7,) of points (N, 3) [m] and pixels (N, 2), or NaN; OpenCV's random numbers begin
    at the same seed in every call.
    """
    try:
        found, turn, position, _ = cv2.solvePnPRansac(
            x3d.double().cpu().numpy(),
            x2d.double().cpu().numpy(),
            matrix.double().cpu().numpy(),
            NO_DISTORTION,
            iterationsCount=ITERATIONS,
            reprojectionError=threshold,
            flags=cv2.SOLVEPNP_EPNP,
        )
    except cv2.error:
        return NO_POSE
    return pose_vector(turn, position) if found else NO_POSE
