"""The tensors of a PnP problem, in the order in which all operators take them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class ProblemTensors(NamedTuple):
    """The values of a `PnPProblem` with batch dims `...`.

    Args:
        x3d: (..., N, 3) object points [m].
        x2d: (..., N, 2) image points [px].
        w2d: (..., N, 2) weights [1/px].
        delta: (...) threshold of the robust kernel.
        matrix: (..., 3, 3) of the camera.
        clip_min: (..., 2) lower limits of projections [px].
        clip_max: (..., 2) upper limits of projections [px].
        image_origin: (..., 2) pixel (0, 0) of the original image [px].
        mask: (..., N) bool, False for points that do not exist; None: all points exist.
        z_min: nearest depth [m].
        robust: name of the robust kernel.
    """

    x3d: Tensor
    x2d: Tensor
    w2d: Tensor
    delta: Tensor
    matrix: Tensor
    clip_min: Tensor
    clip_max: Tensor
    image_origin: Tensor
    mask: Tensor | None
    z_min: float
    robust: str

    @property
    def differentiable(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tensors that operators have gradients for: x3d, x2d, w2d and delta."""
        return self.x3d, self.x2d, self.w2d, self.delta


def wants_gradient(*tensors: Tensor) -> bool:
    """Whether autograd records operations on these tensors."""
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def each_sample(problem: ProblemTensors, pose: Tensor) -> Tensor:
    """Poses that broadcast to those of the problem as (S, ..., D), detached and of its dtype.

    Raises:
        ValueError: poses on another device than the problem.
    """
    if pose.device != problem.x3d.device:
        raise ValueError(
            f"the pose is on {pose.device}, but the points are on {problem.x3d.device}; "
            "move it with pose.to(points.device)"
        )
    batch = problem.delta.shape
    if pose.requires_grad:
        pose = pose.detach()
    if pose.dtype != problem.x3d.dtype:
        pose = pose.to(problem.x3d.dtype)
    if pose.shape[pose.ndim - 1 - len(batch) : -1] == batch:
        return pose
    return pose.expand(*torch.broadcast_shapes(pose.shape[:-1], batch), pose.shape[-1])
