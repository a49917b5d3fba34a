"""The layer as a module: settings once, then problems in and pose distributions out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from . import kernels
from .linalg import damped_inverse
from .pose import SE3Pose, YawPose
from .pose_proposal import PoseProposal
from .problem import PnPProblem
from .records import full_precision
from .sampler import PoseSamples
from .solver import STEPS, PoseEstimate, estimate_at, lowest
from .space import PoseSpace
from .start import DEFAULT_START, RandomSampleInit, random_sample_init


@dataclass(frozen=True)
class LayerSettings:
    """What an EPro-PnP layer is made of; see `EProPnP` for the meaning.

    Raises:
        ValueError: a setting out of range.
        TypeError: a setting of the wrong type, or an unknown setting of the random start.
    """

    mc_samples: int = 512
    amis_rounds: int = 4
    lm_iterations: int = 10
    init: RandomSampleInit | None = DEFAULT_START
    solver: str = "lm"

    def __post_init__(self) -> None:
        for name, least in (("mc_samples", 1), ("amis_rounds", 1), ("lm_iterations", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"pnp: {name} must be an integer >= {least}, not {value!r}")
        if self.mc_samples % self.amis_rounds:
            near = -(-self.mc_samples // self.amis_rounds) * self.amis_rounds
            raise ValueError(f"pnp: mc_samples={self.mc_samples} must be a multiple of amis_rounds={self.amis_rounds}; use {near}")
        if self.solver not in STEPS:
            raise ValueError(f"pnp: unknown solver {self.solver!r}; use one of {', '.join(map(repr, STEPS))}")
        object.__setattr__(self, "init", _random_start(self.init))


def _random_start(init: Any) -> RandomSampleInit | None:
    if init is None or isinstance(init, RandomSampleInit):
        return init
    if not isinstance(init, Mapping):
        raise TypeError(f"pnp: init must be a RandomSampleInit, a dict of its settings or None, not {init!r}")
    _refuse_unknown("pnp init", init, RandomSampleInit)
    return RandomSampleInit(**init)


def _refuse_unknown(where: str, given: Iterable[str], settings: type) -> None:
    known = [field.name for field in fields(settings)]
    for name in given:
        if name not in known:
            raise TypeError(f"{where}: unknown setting {name!r}; remove it or use one of {', '.join(known)}")


class EProPnP(nn.Module):
    """EPro-PnP: the pose of lowest cost, and samples of the posterior p(y|X). `EProPnP4DoF` and `EProPnP6DoF` say of which poses.

    Has no parameters and cannot be changed; make another one for other settings. Iterations are fixed and nothing is copied to the
    host, so `torch.compile(..., fullgraph=True)` makes one graph of it (where no `generator` is given).

    Args:
        mc_samples: samples in all, a multiple of `amis_rounds` (default 512).
        amis_rounds: rounds of adaptive sampling, T of Alg. 1 (default 4).
        lm_iterations: solver steps from the start (default 10).
        init: the random start, its settings as a dict, or None for none (default `RandomSampleInit(64, 16, 3)`).
        solver: 'lm' (default), or 'gauss_newton' as the released programs test.

    Raises:
        TypeError: an unknown setting, or one of the wrong type.
        ValueError: a setting out of range.
    """

    space: ClassVar[type[PoseSpace]]

    def __init__(
        self,
        mc_samples: int = 512,
        amis_rounds: int = 4,
        lm_iterations: int = 10,
        init: RandomSampleInit | Mapping[str, int] | None = DEFAULT_START,
        solver: str = "lm",
        **unknown: Any,
    ) -> None:
        super().__init__()
        _refuse_unknown("pnp", unknown, LayerSettings)
        self._settings = LayerSettings(mc_samples, amis_rounds, lm_iterations, _random_start(init), solver)

    @property
    def settings(self) -> LayerSettings:
        """The settings, frozen."""
        return self._settings

    def extra_repr(self) -> str:
        return ", ".join(f"{field.name}={getattr(self.settings, field.name)!r}" for field in fields(self.settings))

    def forward(
        self, problem: PnPProblem, start: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[PoseEstimate, PoseSamples]:
        """`solve`, then `sample` around the estimate."""
        estimate = self.solve(problem, start, generator)
        return estimate, self.sample(problem, estimate, generator)

    @torch.no_grad()
    def solve(self, problem: PnPProblem, start: Tensor | None = None, generator: torch.Generator | None = None) -> PoseEstimate:
        """The pose of lowest cost.

        Args:
            problem: (...) objects; none is fine.
            start: (..., D), competes with the random start by cost; with `init=None` it is the only start.
            generator: source of randomness, on the device of the problem.

        Returns:
            (...) estimates; objects without a solution are flagged in `valid` and never raise.

        Raises:
            ValueError: neither a start nor a random start.
        """
        centred, mean = problem.detach().centre()
        begin = self._start(centred, None if start is None else self.space.move_origin(start.to(mean), mean), generator)
        kernel = kernels.choose("solve", centred)
        pose = kernel.solve(centred, begin, self.settings.lm_iterations, self.settings.solver)
        return estimate_at(problem, self.space.move_origin(pose, -mean))

    def _start(self, problem: PnPProblem, start: Tensor | None, generator: torch.Generator | None) -> Tensor:
        if self.settings.init is None:
            if start is None:
                raise ValueError(f"{type(self).__name__}.solve: no start; give start= or make the layer with init=RandomSampleInit()")
            return start
        drawn = random_sample_init(problem, self.settings.init, generator, self.settings.solver, self.space)
        return drawn if start is None else lowest(problem, torch.stack((drawn, start.expand_as(drawn))))

    def sample(self, problem: PnPProblem, estimate: PoseEstimate | None = None, generator: torch.Generator | None = None) -> PoseSamples:
        """Samples of the posterior by AMIS, Alg. 1, from proposals around an estimate.

        Args:
            problem: (...) objects; gradients flow into its points and threshold through `log_weights`.
            estimate: where to begin; None solves first.
            generator: source of randomness, on the device of the problem.
        """
        estimate = self.solve(problem, generator=generator) if estimate is None else estimate
        centred, mean = problem.centre()
        first = _first_proposal(centred.detach(), estimate, mean, self.space)
        kernel = kernels.choose("sample", centred)
        drawn = kernel.sample(centred, first, estimate.valid, self.settings.mc_samples, self.settings.amis_rounds, generator)
        return replace(drawn, pose=self.space.move_origin(drawn.pose, -mean))


class EProPnP4DoF(EProPnP):
    """EPro-PnP for yaw-only poses (x, y, z, yaw), see `YawPose`. The settings are those of `EProPnP`."""

    space = YawPose


class EProPnP6DoF(EProPnP):
    """EPro-PnP for all rigid poses (x, y, z, qw, qx, qy, qz), see `SE3Pose`. The settings are those of `EProPnP`."""

    space = SE3Pose


@torch.no_grad()
@full_precision
def _first_proposal(problem: PnPProblem, estimate: PoseEstimate, mean: Tensor, space: type[PoseSpace]) -> PoseProposal:
    """Proposal around an estimate of the problem before it was centred; objects without an estimate get a harmless one."""
    pose = torch.where(estimate.valid[..., None], estimate.pose.to(mean), space.identity(mean))
    pose = space.move_origin(pose, mean)
    covariance, broken = damped_inverse(problem.linearize(pose).hessian)
    first = PoseProposal.laplace(pose, covariance)
    return replace(first, broken=first.broken | broken)
