from __future__ import annotations

import math

import pytest
import torch
from scipy import stats
from scipy.spatial.transform import Rotation
from torch import Tensor

from epropnp_det.pnp import SE3Pose, YawPose, _quaternion
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace
from tests.tolerances import EXACT, EXACT_FLOAT32, P_VALUE

from .scenes import SPACES, poses, seeded, uniform


@pytest.fixture
def xyz() -> Tensor:
    return uniform((5, 2, 7, 3), -2.0, 2.0, seeded(1))


def some(space: type[PoseSpace], shape: tuple[int, ...] = (5, 2), seed: int = 0) -> Tensor:
    return poses(shape, seeded(seed), space=space)


def assert_same_pose(actual: Tensor, expected: Tensor, tolerance: float = EXACT) -> None:
    """Of any winding of yaw, any sign of a quaternion."""
    space = pose_space(actual)
    torch.testing.assert_close(
        space.matrix(actual), space.matrix(expected), rtol=tolerance, atol=tolerance
    )


# --- rotation and transform ---


@SPACES
def test_rotation_is_proper(space: type[PoseSpace]) -> None:
    rotation = space.rotation(some(space))
    torch.testing.assert_close(
        rotation @ rotation.mT, torch.eye(3).double().expand_as(rotation), rtol=0, atol=EXACT
    )
    torch.testing.assert_close(
        torch.linalg.det(rotation), torch.ones(5, 2).double(), rtol=0, atol=EXACT
    )


def test_positive_yaw_turns_the_front_from_right_towards_the_camera() -> None:
    quarter = torch.tensor([0.0, 0.0, 0.0, math.pi / 2], dtype=torch.float64)
    front = YawPose.transform(quarter, torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(
        front, torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64), rtol=0, atol=EXACT
    )


def test_quaternion_rotates_as_scipy_has_it() -> None:
    pose = some(SE3Pose, (20,))
    expected = Rotation.from_quat(pose[:, [4, 5, 6, 3]].numpy()).as_matrix()
    torch.testing.assert_close(
        SE3Pose.rotation(pose), torch.from_numpy(expected), rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(
        SE3Pose.rotation(pose * torch.tensor([1, 1, 1, -3, -3, -3, -3])), torch.from_numpy(expected)
    )


def test_a_yaw_pose_is_a_rigid_pose() -> None:
    pose = some(YawPose)
    half, zero = pose[..., 3] / 2, torch.zeros(5, 2, dtype=torch.float64)
    rigid = torch.cat(
        (pose[..., :3], torch.stack((half.cos(), zero, half.sin(), zero), dim=-1)), dim=-1
    )
    torch.testing.assert_close(SE3Pose.matrix(rigid), YawPose.matrix(pose), rtol=EXACT, atol=EXACT)
    torch.testing.assert_close(
        SE3Pose.matrix(SE3Pose.mirror(rigid)),
        YawPose.matrix(YawPose.mirror(pose)),
        rtol=EXACT,
        atol=EXACT,
    )
    torch.testing.assert_close(
        SE3Pose.matrix(SE3Pose.inverse(rigid)),
        YawPose.matrix(YawPose.inverse(pose)),
        rtol=EXACT,
        atol=EXACT,
    )


@SPACES
def test_transform_is_the_matrix(space: type[PoseSpace], xyz: Tensor) -> None:
    homogeneous, pose = torch.cat((xyz, torch.ones_like(xyz[..., :1])), dim=-1), some(space)
    torch.testing.assert_close(
        space.transform(pose, xyz), homogeneous @ space.matrix(pose).mT, rtol=EXACT, atol=EXACT
    )


@SPACES
def test_move_origin(space: type[PoseSpace], xyz: Tensor) -> None:
    offset, pose = xyz[..., 0, :], some(space)
    moved = space.transform(space.translate_object_frame(pose, offset), xyz - offset[..., None, :])
    torch.testing.assert_close(moved, space.transform(pose, xyz), rtol=EXACT, atol=EXACT)


@SPACES
def test_mirror_is_an_involution_and_mirrors_points(space: type[PoseSpace], xyz: Tensor) -> None:
    mirror_object, mirror_world, pose = (
        torch.tensor([1.0, 1.0, -1.0]).double(),
        torch.tensor([-1.0, 1.0, 1.0]).double(),
        some(space),
    )
    mirrored = space.transform(space.mirror(pose), xyz * mirror_object)
    torch.testing.assert_close(
        mirrored, space.transform(pose, xyz) * mirror_world, rtol=EXACT, atol=EXACT
    )
    torch.testing.assert_close(space.mirror(space.mirror(pose)), pose, rtol=EXACT, atol=EXACT)


@SPACES
def test_identity_moves_nothing(space: type[PoseSpace], xyz: Tensor) -> None:
    torch.testing.assert_close(space.transform(space.identity(xyz), xyz), xyz)


@SPACES
def test_split_and_join(space: type[PoseSpace]) -> None:
    torch.testing.assert_close(space.join(*space.split(some(space))), some(space))


# --- the tangent ---


@SPACES
def test_chain_against_autograd(space: type[PoseSpace], xyz: Tensor) -> None:
    pose, weight = some(space, (), 2), uniform((3, 2, 7), -1.0, 1.0, seeded(3))
    points = xyz[0, 0]

    def functional(tangent: Tensor) -> Tensor:
        moved = space.transform(space.retract(pose, tangent), points)
        return torch.einsum("kmn,nk->mn", weight, moved)

    expected = torch.autograd.functional.jacobian(
        functional, torch.zeros(space.tangent_dim, dtype=pose.dtype)
    ).movedim(-1, 0)
    arm = space.rotation(pose) @ points.mT
    torch.testing.assert_close(
        space.pull_back_jacobian(arm, weight), expected, rtol=EXACT, atol=EXACT
    )


def test_tangent_of_the_quaternion() -> None:
    """T(q) has the rows (i, j, k), (-w, -k, j), (k, -w, -i), (-j, i, -w) for q = (w, i, j, k)."""
    w, i, j, k = some(SE3Pose, (), 2)[3:].tolist()
    rows = torch.tensor([[i, j, k], [-w, -k, j], [k, -w, -i], [-j, i, -w]], dtype=torch.float64)
    basis = _quaternion.basis(torch.tensor([w, i, j, k], dtype=torch.float64))
    torch.testing.assert_close(basis[:, 1:], rows)
    torch.testing.assert_close(
        basis @ basis.mT, torch.eye(4, dtype=torch.float64), rtol=0, atol=EXACT
    )


def test_a_small_tangent_turns_by_minus_twice_itself_in_the_camera_frame() -> None:
    pose, small = (
        some(SE3Pose, ()),
        1e-5 * torch.tensor([0.0, 0.0, 0.0, 1.0, -2.0, 0.5], dtype=torch.float64),
    )
    turned = SE3Pose.rotation(SE3Pose.retract(pose, small)) @ SE3Pose.rotation(pose).mT
    expected = torch.from_numpy(Rotation.from_rotvec(-2 * small[3:].numpy()).as_matrix())
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-12)


@SPACES
def test_difference_undoes_retract(space: type[PoseSpace]) -> None:
    pose, tangent = some(space), uniform((5, 2, space.tangent_dim), -1.0, 1.0, seeded(4))
    reached = space.retract(pose, tangent)
    torch.testing.assert_close(space.difference(pose, reached), tangent, rtol=EXACT, atol=EXACT)
    assert_same_pose(space.retract(pose, torch.zeros_like(tangent)), pose)


def test_difference_knows_neither_winding_nor_sign() -> None:
    yaw, rigid = some(YawPose), some(SE3Pose)
    wound, negative = (
        yaw + torch.tensor([0, 0, 0, 4 * math.pi], dtype=torch.float64),
        torch.cat((rigid[..., :3], -rigid[..., 3:]), dim=-1),
    )
    assert YawPose.difference(yaw, wound).abs().max() < EXACT
    assert SE3Pose.difference(rigid, negative).abs().max() < EXACT


# --- inverse and mean ---


@SPACES
def test_inverse_undoes_the_transform(space: type[PoseSpace], xyz: Tensor) -> None:
    pose = some(space)
    torch.testing.assert_close(
        space.transform(space.inverse(pose), space.transform(pose, xyz)),
        xyz,
        rtol=EXACT,
        atol=EXACT,
    )


@SPACES
def test_inverse_tangent_against_autograd(space: type[PoseSpace]) -> None:
    pose = some(space, ())
    inverse = space.inverse(pose)

    def moved(tangent: Tensor) -> Tensor:
        return space.difference(inverse, space.inverse(space.retract(pose, tangent)))

    expected = torch.autograd.functional.jacobian(
        moved, torch.zeros(space.tangent_dim, dtype=torch.float64)
    )
    torch.testing.assert_close(space.inverse_tangent(pose), expected, rtol=EXACT, atol=EXACT)


@SPACES
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mean_of_poses_around_one(space: type[PoseSpace], dtype: torch.dtype) -> None:
    pose = some(space, (3,)).to(dtype)
    tangent = uniform((10, 3, space.tangent_dim), -0.3, 0.3, seeded(5), dtype)
    around = torch.cat([space.retract(pose, sign * tangent) for sign in (1, -1)])
    around[::3, :, 3:] += 2 * math.pi if space is YawPose else -2 * around[::3, :, 3:]
    mean = space.mean(around, torch.full((20, 3), 0.05, dtype=dtype))
    assert_same_pose(mean, pose, EXACT if dtype == torch.float64 else EXACT_FLOAT32)


def test_mean_quaternion_is_the_first_eigenvector() -> None:
    drawn = SE3Pose.random_rotation((30, 4), torch.zeros((), dtype=torch.float64), seeded(6))[
        ..., 3:
    ]
    weight = uniform((30, 4), 0.0, 1.0, seeded(7)) ** 4
    vectors = torch.linalg.eigh(torch.einsum("sb,sbi,sbj->bij", weight, drawn, drawn))[1][..., -1]
    agreement = (_quaternion.mean(drawn, weight / weight.sum(0)) * vectors).sum(-1).abs()
    torch.testing.assert_close(agreement, torch.ones(4, dtype=torch.float64), rtol=0, atol=EXACT)


# --- random rotations, and what is no pose ---


def test_random_yaws_cover_the_circle() -> None:
    pose = YawPose.random_rotation((4000,), torch.zeros((), dtype=torch.float64), seeded(4))
    assert (pose[..., :3] == 0).all()
    assert torch.histc(pose[..., 3], 8, -math.pi, math.pi).min() > 400


def test_random_rotations_are_uniform() -> None:
    pose = SE3Pose.random_rotation((4000,), torch.zeros((), dtype=torch.float64), seeded(4))
    assert (pose[..., :3] == 0).all()
    # Every entry of a uniform rotation matrix is uniform in [-1, 1] (Archimedes).
    for entry in SE3Pose.rotation(pose).flatten(1).mT:
        assert stats.kstest(entry.numpy(), stats.uniform(-1, 2).cdf).pvalue > P_VALUE


@SPACES
def test_what_is_no_pose(space: type[PoseSpace]) -> None:
    pose = some(space, (3,))
    pose[1, 2], pose[2, 3] = torch.nan, torch.inf
    assert space.is_valid(pose).tolist() == [True, False, False]


def test_a_quaternion_of_length_zero_is_no_pose() -> None:
    assert (
        not SE3Pose.is_valid(torch.zeros(7))
        and not SE3Pose.is_valid(torch.full((7,), 1e30))
        and YawPose.is_valid(torch.zeros(4))
    )


def test_a_pose_of_another_length_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"4 numbers \(x, y, z, yaw\) or 7 \(x, y, z, qw, qx, qy, qz\)"
    ):
        pose_space(torch.zeros(3, 6))
