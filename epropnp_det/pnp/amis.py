"""Adaptive multiple importance sampling of the pose posterior, Alg. 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._records import full_precision
from .problem import PnPProblem
from .proposals.pose_proposal import PoseProposal
from .results import PoseSamples


@full_precision
def amis(
    problem: PnPProblem,
    first: PoseProposal,
    valid: Tensor,
    samples: int,
    rounds: int,
    generator: torch.Generator | None = None,
) -> PoseSamples:
    """Alg. 1: `rounds` rounds of samples / rounds draws, each from a proposal fitted to all
    weighted draws before it.

    All draws are weighted against the deterministic mixture of all proposals. Only the cost is in
    the autograd graph.

    Args:
        problem: (...), best centred.
        first: proposal of the first round.
        valid: (...) objects worth looking at; the others are flagged in the result.
        samples: number of samples, a multiple of `rounds`.
        rounds: number of proposals.
        generator: source of randomness.
    """
    proposals = [first]
    poses: list[Tensor] = []
    costs: list[Tensor] = []
    while True:
        poses.append(proposals[-1].sample(samples // rounds, generator))
        costs.append(problem.cost(poses[-1]))
        pose = torch.cat(poses)
        cost = torch.cat(costs)
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
