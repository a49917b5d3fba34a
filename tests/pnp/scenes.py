"""Small synthetic problems with known true poses."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import (
    Camera,
    Correspondences,
    EProPnP4DoF,
    EProPnP6DoF,
    PnPProblem,
    SE3Pose,
    YawPose,
)
from epropnp_det.pnp.layer import EProPnP
from epropnp_det.pnp.spaces import pose_space
from epropnp_det.pnp.spaces.base import PoseSpace

TRACES_CLASSES = pytest.mark.skipif(
    torch.__version__ < "2.7",
    reason="torch.compile and torch.export of torch 2.4 do not trace frozen classes",
)
SPACES = pytest.mark.parametrize("space", [YawPose, SE3Pose], ids=["4dof", "6dof"])

SIZE = (1600, 900)
MATRIX = ((1260.0, 0.0, 816.0), (0.0, 1250.0, 491.0), (0.0, 0.0, 1.0))


def layer(space: type[PoseSpace], **settings: object) -> EProPnP:
    """The layer for poses of this space."""
    return {YawPose: EProPnP4DoF, SE3Pose: EProPnP6DoF}[space](**settings)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(
    shape: tuple[int, ...],
    low: float,
    high: float,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64).to(
        dtype
    )


def camera(dtype: torch.dtype = torch.float64) -> Camera:
    return Camera.for_image(torch.tensor(MATRIX, dtype=dtype), SIZE)


def poses(
    shape: tuple[int, ...],
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
    space: type[PoseSpace] = YawPose,
) -> Tensor:
    """Poses (*shape, D) of cars in view, randomly rotated."""
    z = uniform(shape, 10.0, 30.0, generator, dtype)
    x = z * uniform(shape, -0.4, 0.4, generator, dtype)
    y = uniform(shape, 0.5, 1.5, generator, dtype)
    if space is SE3Pose:
        turned = SE3Pose.random_rotation(shape, torch.zeros((), dtype=torch.float64), generator)
        return torch.cat((torch.stack((x, y, z), dim=-1), turned[..., 3:].to(dtype)), dim=-1)
    return torch.stack((x, y, z, uniform(shape, -math.pi, math.pi, generator, dtype)), dim=-1)


def points(
    pose: Tensor,
    number: int = 24,
    noise: float = 2.0,
    weight: float = 8.0,
    view: Camera | None = None,
    seed: int = 0,
) -> Correspondences:
    """Points of cars at `pose` (..., D): weights of each axis sum to `weight`; image noise in
    pixels.
    """
    generator, dtype = seeded(seed), pose.dtype
    size = torch.tensor((4.6, 1.7, 1.9), dtype=dtype)
    x3d = uniform((*pose.shape[:-1], number, 3), -0.5, 0.5, generator, dtype) * size
    x2d = (view or camera(dtype)).project(pose_space(pose).transform(pose, x3d))
    x2d = x2d + noise * torch.randn(x2d.shape, generator=generator, dtype=torch.float64).to(dtype)
    w2d = uniform(x2d.shape, 0.2, 1.0, generator, dtype)
    return Correspondences(x3d, x2d, weight * w2d / w2d.sum(-2, keepdim=True))


def problem(
    shape: tuple[int, ...] = (3,),
    number: int = 24,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    space: type[PoseSpace] = YawPose,
    **kwargs: float,
) -> tuple[PnPProblem, Tensor]:
    """A problem (*shape) and its true pose (*shape, D); `kwargs` go to `points`."""
    pose = poses(shape, seeded(seed + 1000), dtype, space)
    return PnPProblem.adaptive(points(pose, number, seed=seed, **kwargs), camera(dtype)), pose
