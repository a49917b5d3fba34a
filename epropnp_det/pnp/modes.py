"""The minima of a problem, and the share of the posterior around each."""

from __future__ import annotations

import torch
from torch import Tensor

from ._linalg import damped_inverse, solve
from ._records import full_precision, no_gradient
from .losses.baselines import exact_hessian
from .problem import PnPProblem
from .results import PoseEstimate, PoseSamples
from .spaces import pose_space

# Starts that are refined for each minimum wanted: several of them end in the same one.
STARTS = 4
# Solver steps at least: ten are enough for the lowest minimum, but flat ones take longer.
ITERATIONS = 30
# In standard deviations: an end of the solver that is further from a minimum has not arrived, and
# minima closer than that are one.
ARRIVED = 0.1
APART = 1.0


@no_gradient
@full_precision
def distinct_minima(problem: PnPProblem, found: PoseEstimate, number: int) -> PoseEstimate:
    """Of solutions (S, ...) of a problem (...) those at distinct minima, (number, ...), the lowest
    first; not valid where there are no more.
    """
    found = _picked(found, found.cost.nan_to_num(nan=torch.inf).argsort(dim=0, stable=True))
    found = _valid_first(found.replace_unchecked(valid=_first_of_each(problem, found)))[:number]
    # A saddle has no gradient either, but a direction in which the cost falls.
    _, is_saddle = damped_inverse(exact_hessian(problem, found.pose))
    return _valid_first(found.replace_unchecked(valid=found.valid & ~is_saddle))


@no_gradient
@full_precision
def posterior_shares(minima: PoseEstimate, samples: PoseSamples) -> Tensor:
    """Shares (M, ...) of the posterior around minima (M, ...), from samples (S, M, ...) drawn
    around each of them.

    Pose space is divided into the regions in which the Laplace approximation of one minimum is the
    densest. The samples of a minimum estimate the integral over its own region.
    """
    pose = samples.pose
    squared = _squared_distance(minima[:, None, None], pose)
    height = minima.cost[:, None, None] + 0.5 * squared
    nearest = height.masked_fill(~minima.valid[:, None, None], torch.inf).argmin(0)
    own = torch.arange(len(minima.cost), device=pose.device)
    is_own = nearest == own.reshape(-1, *(1,) * (minima.cost.ndim - 1))
    log_mass = samples.log_weights.masked_fill(~is_own, -torch.inf).logsumexp(0)
    usable = minima.valid & samples.valid
    return log_mass.masked_fill(~usable, -torch.inf).softmax(0).masked_fill(~usable, 0)


def _first_of_each(problem: PnPProblem, found: PoseEstimate) -> Tensor:
    """(M, ...) bool: valid estimates at a minimum that none before them has reached."""
    at = problem.linearize(found.pose)
    # What a further step would gain, twice: the squared distance in standard deviations.
    left = -(at.gradient * solve(at.hessian, -at.gradient)).sum(-1)
    # Costs round, and so does their decrease.
    rounding = torch.finfo(left.dtype).eps ** 0.5 * at.cost
    arrived = found.valid & (left <= ARRIVED**2 + rounding)
    near = _squared_distance(found[:, None], found.pose) < APART**2  # (M, M, ...)
    first = arrived.clone()
    for index in range(1, len(first)):
        first[index] &= ~(first[:index] & near[:index, index]).any(0)
    return first


def _squared_distance(minima: PoseEstimate, pose: Tensor) -> Tensor:
    """Squared distance of poses from minima, in the standard deviations of the minimum."""
    step = pose_space(pose).difference(minima.pose, pose)
    squared = (step * (minima.hessian @ step[..., None])[..., 0]).sum(-1)
    # Half a turn apart the difference is infinite.
    return squared.nan_to_num(nan=torch.inf)


def _valid_first(found: PoseEstimate) -> PoseEstimate:
    return _picked(found, (~found.valid).byte().argsort(dim=0, stable=True))


def _picked(found: PoseEstimate, order: Tensor) -> PoseEstimate:
    """Those of the estimates (S, ...) at indices (M, ...)."""

    def pick(value: Tensor) -> Tensor:
        index = order.reshape(*order.shape, *(1,) * (value.ndim - order.ndim))
        return value.gather(0, index.expand(*order.shape, *value.shape[order.ndim :]))

    return found.map(pick)
