"""Yaw-only poses of a tilted camera: wrong in its own frame, right where its rotation is folded
into the matrix.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Camera, EProPnP4DoF, EProPnP6DoF, PnPProblem, SE3Pose, YawPose
from tests.tolerances import MINIMUM

from . import scenes
from .scenes import seeded

TILT = math.radians(5.0)


def pitch(angle: float) -> Tensor:
    """Rotation about the camera's x axis: level coordinates to those of a camera pitched down by
    `angle`.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, cos, -sin], [0.0, sin, cos]], dtype=torch.float64)


def roll(angle: float) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def seen(tilt: Tensor, camera: Camera, number: int = 64) -> tuple[PnPProblem, Tensor]:
    """Points of upright objects seen by a camera tilted by `tilt`, to be solved with `camera`;
    poses (number, 4) in level coordinates.
    """
    pose = scenes.poses((number,), seeded(0))
    points = scenes.points(pose, noise=0.0, view=scenes.camera().rotate(tilt))
    return PnPProblem.adaptive(points, camera), pose


def solve(problem: PnPProblem) -> Tensor:
    return EProPnP4DoF(lm_iterations=30).solve(problem, generator=seeded(1)).pose


@pytest.mark.parametrize(
    "tilt", [pitch(TILT), roll(TILT), pitch(TILT) @ roll(-TILT)], ids=["pitch", "roll", "both"]
)
def test_error_of_a_tilt_disappears_when_the_rotation_is_folded_in(tilt: Tensor) -> None:
    naive, pose = seen(tilt, scenes.camera())
    folded, _ = seen(tilt, scenes.camera().rotate(tilt))
    found = solve(folded)
    assert YawPose.difference(pose, found).abs().max() < MINIMUM
    assert folded.cost(found).max() < MINIMUM
    # Without folding no yaw-only pose in the camera frame explains the points: the error is that of
    # the tilt.
    error = YawPose.difference(
        torch.cat((pose[:, :3] @ tilt.mT, pose[:, 3:]), dim=-1), solve(naive)
    ).abs()
    assert naive.cost(solve(naive)).median() > 1.0
    assert error[:, :3].norm(dim=-1).median() > 0.1 and error[:, 3].median() > 1e-3


def test_a_rigid_pose_does_not_need_gravity_and_finds_the_same() -> None:
    tilt = pitch(TILT)
    naive, pose = seen(tilt, scenes.camera(), 16)
    estimate = EProPnP6DoF(lm_iterations=30).solve(naive, generator=seeded(1))
    torch.testing.assert_close(
        SE3Pose.rotation(estimate.pose), tilt @ YawPose.rotation(pose), rtol=0, atol=MINIMUM
    )
    torch.testing.assert_close(estimate.pose[:, :3], pose[:, :3] @ tilt.mT, rtol=0, atol=MINIMUM)
