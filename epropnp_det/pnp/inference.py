"""Whole calls of a layer: from a problem to its solution, and from there to samples of the
posterior; in one operator each, or made of the solver and the sampler.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import ops
from ._linalg import damped_inverse
from ._records import full_precision, no_gradient
from .amis import amis
from .ops import operators
from .problem import PnPProblem
from .proposals.pose_proposal import PoseProposal
from .proposals.von_mises import VonMisesUniform
from .random_start import distinct, random_proposals
from .results import PoseEstimate, PoseSamples
from .settings import LayerSettings, RandomSampleInit
from .solver import estimate_at, lowest, run_solver
from .spaces.base import PoseSpace


@no_gradient
@full_precision
def estimate_in_one_operator(
    problem: PnPProblem,
    start: Tensor | None,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> PoseEstimate:
    """`estimate` by `operators.estimate`."""
    tensors = problem.tensors
    if start is not None:
        start = ops.each_sample(tensors, start).expand(*problem.shape, space.dim)
    init = settings.init or RandomSampleInit(candidates=1)
    proposals = init.proposals if settings.init else 0
    found = operators.estimate(
        *tensors,
        _key(tensors.x3d, generator),
        start,
        space.dim,
        proposals,
        init.points,
        init.iterations,
        settings.solver == "gauss_newton",
        settings.lm_iterations,
        init.candidates or space.start_candidates,
        float(init.separation),
    )
    return PoseEstimate(*found)


@full_precision
def posterior_in_one_operator(
    problem: PnPProblem,
    estimate: PoseEstimate,
    settings: LayerSettings,
    generator: torch.Generator | None,
) -> PoseSamples:
    """`posterior` by `operators.posterior`."""
    tensors = problem.tensors
    begin = ops.each_sample(tensors, estimate.pose)
    key = _key(tensors.x3d, generator)
    numbers = (VonMisesUniform.uniform, settings.mc_samples, settings.amis_rounds)
    pose, log_weights, valid = operators.posterior(*tensors, key, begin, estimate.valid, *numbers)
    return PoseSamples(pose.detach(), log_weights, valid)


def _key(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """The key of a call's random streams: a tensor, whose value only the kernel reads."""
    if torch.compiler.is_compiling():
        # torch.compile does not take `random_`.
        return torch.randint(2**63 - 1, (), generator=generator, device=like.device)
    empty = torch.empty((), dtype=torch.int64, device=like.device)
    return empty.random_(generator=generator)


@no_gradient
@full_precision
def estimate(
    problem: PnPProblem,
    start: Tensor | None,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> PoseEstimate:
    """`EProPnP.solve`: the random start and the start given (..., D), refined by the solver, and
    the best of them.
    """
    centred, mean = problem.detach().centre()
    if start is not None:
        start = space.translate_object_frame(start.to(mean), mean)
    begin = _starts(centred, start, settings, generator, space)
    pose = lowest(centred, run_solver(centred, begin, settings.lm_iterations, settings.solver))
    return estimate_at(problem, space.translate_object_frame(pose, -mean))


def _starts(
    problem: PnPProblem,
    start: Tensor | None,
    settings: LayerSettings,
    generator: torch.Generator | None,
    space: type[PoseSpace],
) -> Tensor:
    """Where the solver starts: (S, ..., D)."""
    init = settings.init
    if init is None:
        assert start is not None, "the layer refuses to solve without a start"
        return start[None]
    pool = random_proposals(problem, init, generator, settings.solver, space)
    if start is not None:
        pool = torch.cat((pool, start.expand(1, *pool.shape[1:])))
    return distinct(problem, pool, init.candidates or space.start_candidates, init.separation)


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
    rounds = (settings.mc_samples, settings.amis_rounds)
    drawn = amis(centred, first, estimate.valid, *rounds, generator)
    return drawn.replace_unchecked(pose=space.translate_object_frame(drawn.pose, -mean))


@no_gradient
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
    return first.replace_unchecked(broken=first.broken | broken)
