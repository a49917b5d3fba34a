from __future__ import annotations

import math

import pytest
import torch

from epropnp_det.pnp import YawPose
from epropnp_det.pnp.pose import pose_space
from tests.pnp.scenes import poses, seeded, uniform
from tests.tolerances import EXACT


@pytest.fixture
def pose() -> torch.Tensor:
    return poses((5, 2), seeded(0))


@pytest.fixture
def xyz() -> torch.Tensor:
    return uniform((5, 2, 7, 3), -2.0, 2.0, seeded(1))


def test_rotation_is_proper(pose: torch.Tensor) -> None:
    rotation = YawPose.rotation(pose)
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=pose.dtype).expand_as(rotation), rtol=0, atol=EXACT)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(5, 2, dtype=pose.dtype), rtol=0, atol=EXACT)


def test_positive_yaw_turns_the_front_from_right_towards_the_camera() -> None:
    quarter = torch.tensor([0.0, 0.0, 0.0, math.pi / 2], dtype=torch.float64)
    front = YawPose.transform(quarter, torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(front, torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64), rtol=0, atol=EXACT)


def test_transform_is_the_matrix(pose: torch.Tensor, xyz: torch.Tensor) -> None:
    homogeneous = torch.cat((xyz, torch.ones_like(xyz[..., :1])), dim=-1)
    torch.testing.assert_close(YawPose.transform(pose, xyz), homogeneous @ YawPose.matrix(pose).mT, rtol=EXACT, atol=EXACT)


def test_move_origin(pose: torch.Tensor, xyz: torch.Tensor) -> None:
    offset = xyz[..., 0, :]
    moved = YawPose.transform(YawPose.move_origin(pose, offset), xyz - offset[..., None, :])
    torch.testing.assert_close(moved, YawPose.transform(pose, xyz), rtol=EXACT, atol=EXACT)


def test_mirror_is_an_involution_and_mirrors_points(pose: torch.Tensor, xyz: torch.Tensor) -> None:
    mirror_object, mirror_world = torch.tensor([1.0, 1.0, -1.0]).double(), torch.tensor([-1.0, 1.0, 1.0]).double()
    mirrored = YawPose.transform(YawPose.mirror(pose), xyz * mirror_object)
    torch.testing.assert_close(mirrored, YawPose.transform(pose, xyz) * mirror_world, rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(YawPose.mirror(YawPose.mirror(pose)), pose, rtol=EXACT, atol=EXACT)


def test_chain_against_autograd(xyz: torch.Tensor) -> None:
    pose, weight = poses((), seeded(2)), uniform((3, 2, 7), -1.0, 1.0, seeded(3))
    points = xyz[0, 0]

    def functional(tangent: torch.Tensor) -> torch.Tensor:
        moved = YawPose.transform(YawPose.retract(pose, tangent), points)
        return torch.einsum("kmn,nk->mn", weight, moved)

    expected = torch.autograd.functional.jacobian(functional, torch.zeros(YawPose.tangent_dim, dtype=pose.dtype)).movedim(-1, 0)
    arm = YawPose.rotation(pose) @ points.mT
    torch.testing.assert_close(YawPose.chain(arm, weight), expected, rtol=EXACT, atol=EXACT)


def test_random_rotations_cover_the_circle() -> None:
    pose = YawPose.random_rotation((4000,), torch.zeros((), dtype=torch.float64), seeded(4))
    assert (pose[..., :3] == 0).all()
    assert torch.histc(pose[..., 3], 8, -math.pi, math.pi).min() > 400


def test_a_pose_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"4 numbers \(x, y, z, yaw\) or 7 \(x, y, z, qw, qx, qy, qz\)"):
        pose_space(torch.zeros(3, 6))
