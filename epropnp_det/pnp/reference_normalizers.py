"""Normalisers that are known without sampling, to measure the sampler against."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ._records import Record
from .problem import PnPProblem
from .results import PoseEstimate
from .spaces import pose_space


@torch.no_grad()
def grid_log_normalizer(
    problem: PnPProblem, estimate: PoseEstimate, reach: float = 8.0, nodes: int = 31
) -> Tensor:
    """log int exp(-cost(y)) dy () of a single object with a single mode, by the trapezoidal rule in
    the tangent of its solution.

    The grid lies along the axes of the Laplace approximation: nodes^T points, which is for 4DoF.

    Args:
        problem: no batch dims.
        estimate: its solution.
        reach: half the width of the grid, in standard deviations.
        nodes: along each axis.
    """
    space = pose_space(estimate.pose)
    values, vectors = torch.linalg.eigh(estimate.covariance)
    axes = vectors * values.sqrt()
    node = torch.linspace(-reach, reach, nodes, dtype=axes.dtype, device=axes.device)
    tangents = torch.cartesian_prod(*[node] * space.tangent_dim) @ axes.mT
    parts = [
        space.log_volume(part) - problem.cost(space.retract(estimate.pose, part))
        for part in tangents.split(100_000)
    ]
    cell = (
        space.tangent_dim * math.log(2 * reach / (nodes - 1)) + torch.linalg.det(axes).abs().log()
    )
    return torch.cat(parts).logsumexp(0) + cell


@dataclass(frozen=True)
class QuadraticProblem(Record):
    """The PnP problem linearised at a pose: its posterior is a Gaussian in the tangent there.

    Args:
        pose: (..., D), the mode.
        hessian: (..., T, T), the inverse covariance.
    """

    pose: Tensor
    hessian: Tensor

    @property
    def device(self) -> torch.device:
        return self.pose.device

    def cost(self, pose: Tensor) -> Tensor:
        """Cost (S, ...) at poses (S, ..., D); the volume term makes exp(-cost) Gaussian per volume
        of the tangent.
        """
        space = pose_space(pose)
        tangent = space.difference(self.pose, pose)
        return 0.5 * (tangent * (self.hessian @ tangent[..., None])[..., 0]).sum(
            -1
        ) + space.log_volume(tangent)

    @property
    def log_normalizer(self) -> Tensor:
        """log int exp(-cost(y)) dy (...) = T/2 log 2 pi - 1/2 log det H."""
        return 0.5 * (
            self.hessian.shape[-1] * math.log(2 * math.pi) - torch.linalg.slogdet(self.hessian)[1]
        )
