"""What a layer does, in plain torch: from a problem to its solution, and from there to samples of
the posterior.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from . import ops
from ._linalg import damped_inverse
from ._records import full_precision
from .problem import PnPProblem
from .proposals.pose_proposal import PoseProposal
from .random_start import random_sample_init
from .results import PoseEstimate, PoseSamples
from .settings import LayerSettings
from .solver import estimate_at, lowest
from .spaces.base import PoseSpace


@torch.no_grad()
@full_precision
def estimate(
    problem: PnPProblem,
    start: Tensor | None,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> PoseEstimate:
    """`EProPnP.solve`: the better of the random start and the start given (..., D), refined by the
    solver.
    """
    centred, mean = problem.detach().centre()
    begin = _start(
        centred,
        None if start is None else space.translate_object_frame(start.to(mean), mean),
        settings,
        generator,
        space,
    )
    kernel = ops.choose("solve", centred)
    pose = kernel.solve(centred, begin, settings.lm_iterations, settings.solver)
    return estimate_at(problem, space.translate_object_frame(pose, -mean))


def _start(
    problem: PnPProblem,
    start: Tensor | None,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> Tensor:
    if settings.init is None:
        assert start is not None, "the layer has asked for one"
        return start
    drawn = random_sample_init(problem, settings.init, generator, settings.solver, space)
    return drawn if start is None else lowest(problem, torch.stack((drawn, start.expand_as(drawn))))


@full_precision
def posterior(
    problem: PnPProblem,
    estimate: PoseEstimate,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> PoseSamples:
    """`EProPnP.sample`: samples by AMIS from proposals around the estimate."""
    centred, mean = problem.centre()
    first = first_proposal(centred.detach(), estimate, mean, space)
    kernel = ops.choose("sample", centred)
    drawn = kernel.sample(
        centred, first, estimate.valid, settings.mc_samples, settings.amis_rounds, generator
    )
    return replace(drawn, pose=space.translate_object_frame(drawn.pose, -mean))


@torch.no_grad()
@full_precision
def first_proposal(
    problem: PnPProblem, estimate: PoseEstimate, mean: Tensor, space: type[PoseSpace]
) -> PoseProposal:
    """Proposal around an estimate of the problem before it was centred; objects without an estimate
    get a harmless one.
    """
    pose = torch.where(estimate.valid[..., None], estimate.pose.to(mean), space.identity(mean))
    pose = space.translate_object_frame(pose, mean)
    covariance, broken = damped_inverse(problem.linearize(pose).hessian)
    first = PoseProposal.laplace(pose, covariance)
    return replace(first, broken=first.broken | broken)
