"""Adaptive multiple importance sampling of the pose posterior, Alg. 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .pose import pose_space
from .pose_proposal import PoseProposal
from .problem import PnPProblem
from .records import Record, full_precision


@dataclass(frozen=True)
class PoseSamples(Record):
    """Weighted samples of the posterior p(y|X) of each object.

    Args:
        pose: (S, ..., D), detached.
        log_weights: (S, ...), log v_j of Eq. (6): log of exp(-cost) over the mixture density. Differentiable through the cost.
            Their log-sum-exp less log S estimates log int exp(-cost(y)) dy.
        valid: (...) bool, False where the estimate or a proposal broke.

    Indexing and `shape` speak of the object dims `...`; the sample dim stays in front.
    """

    pose: Tensor
    log_weights: Tensor
    valid: Tensor

    def __getitem__(self, index: Any) -> PoseSamples:
        behind = (slice(None), *(index if isinstance(index, tuple) else (index,)))
        return PoseSamples(self.pose[behind], self.log_weights[behind], self.valid[index])

    @property
    def weights(self) -> Tensor:
        """Normalised weights (S, ...), summing to one over the samples."""
        return self.log_weights.softmax(0)

    @property
    def log_normalizer(self) -> Tensor:
        """Estimate (...) of log int exp(-cost(y)) dy, the second term of Eq. (5)."""
        return self.log_weights.logsumexp(0) - math.log(self.log_weights.shape[0])

    @property
    def effective_sample_size(self) -> Tensor:
        """1 / sum of squared normalised weights (...), between 1 and S: near 1 the samples tell nothing."""
        return self.weights.detach().square().sum(0).reciprocal()

    @property
    def mean(self) -> Tensor:
        """Posterior mean (..., D), detached: of the positions, and the mean direction of the orientations."""
        return pose_space(self.pose).mean(self.pose, self.weights.detach())

    def quantiles(self, levels: Sequence[float], values: Tensor | None = None) -> Tensor:
        """Posterior quantiles, detached: the least value that at least such a share of the weight does not exceed.

        Args:
            levels: Q numbers between 0 and 1.
            values: (S, ..., V), numbers told of each sample, as distances; None for the tangents from the mean to the samples
                (metres, and radians of yaw or the vector d of `SE3Pose`).

        Returns:
            (Q, ..., V).
        """
        if values is None:
            values = pose_space(self.pose).difference(self.mean, self.pose)
        ordered, order = values.detach().sort(dim=0)
        share = self.weights.detach()[..., None].expand_as(values).gather(0, order).cumsum(0)
        # Rounding may leave the last share below a level of one.
        picks = [(share < level).sum(0, keepdim=True).clamp(max=len(ordered) - 1) for level in levels]
        return torch.cat([ordered.gather(0, pick) for pick in picks])


@full_precision
def amis(
    problem: PnPProblem, first: PoseProposal, valid: Tensor, samples: int, rounds: int, generator: torch.Generator | None = None
) -> PoseSamples:
    """Alg. 1: `rounds` rounds of samples / rounds draws, each from a proposal fitted to all weighted draws before it.

    All draws are weighted against the deterministic mixture of all proposals. Only the cost is in the autograd graph.

    Args:
        problem: (...), best centred.
        first: proposal of the first round.
        valid: (...) objects worth looking at; the others are flagged in the result.
        samples: number of samples, a multiple of `rounds`.
        rounds: number of proposals.
        generator: source of randomness.
    """
    proposals, poses, costs = [first], [], []
    while True:
        poses.append(proposals[-1].sample(samples // rounds, generator))
        costs.append(problem.cost(poses[-1]))
        pose, cost = torch.cat(poses), torch.cat(costs)
        log_weights = -cost - _log_mixture(proposals, pose)
        if len(proposals) == rounds:
            break
        proposals.append(proposals[-1].refit(pose, log_weights.detach()))
    finite = log_weights.detach().logsumexp(0).isfinite()
    return PoseSamples(pose, log_weights, valid & finite & ~first.broken)


def _log_mixture(proposals: list[PoseProposal], pose: Tensor) -> Tensor:
    """log of the mean density of the proposals (S, ...), line 8 of Alg. 1."""
    densities = torch.stack([proposal.log_prob(pose) for proposal in proposals])
    return densities.logsumexp(0) - math.log(len(proposals))
