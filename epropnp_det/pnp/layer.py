"""The layer as a module: settings once, then problems in and pose distributions out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from . import inference
from .modes import ITERATIONS, STARTS, distinct_minima, posterior_shares
from .problem import PnPProblem
from .random_start import distinct
from .results import PoseEstimate, PoseModes, PoseSamples
from .settings import (
    DEFAULT_START,
    LayerSettings,
    RandomSampleInit,
    random_start_settings,
    refuse_unknown,
)
from .spaces.base import PoseSpace
from .spaces.se3 import SE3Pose
from .spaces.yaw import YawPose


class EProPnP(nn.Module):
    """EPro-PnP: the pose of lowest cost, and samples of the posterior p(y|X). `EProPnP4DoF` and
    `EProPnP6DoF` say of which poses.

    Has no parameters and cannot be changed; make another one for other settings. Iterations are
    fixed and nothing is copied to the host, so `torch.compile(..., fullgraph=True)` makes one graph
    of it (where no `generator` is given).

    Args:
        mc_samples: samples in all, a multiple of `amis_rounds` (default 512).
        amis_rounds: rounds of adaptive sampling, T of Alg. 1 (default 4).
        lm_iterations: solver steps from the start (default 10).
        init: the random start, its settings as a dict, or None for none (default
            `RandomSampleInit()`).
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
        init: RandomSampleInit | Mapping[str, Any] | None = DEFAULT_START,
        solver: str = "lm",
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown("pnp", unknown, LayerSettings)
        self._settings = LayerSettings(
            mc_samples, amis_rounds, lm_iterations, random_start_settings(init), solver
        )

    @property
    def settings(self) -> LayerSettings:
        """The settings, frozen."""
        return self._settings

    def extra_repr(self) -> str:
        return ", ".join(
            f"{field.name}={getattr(self.settings, field.name)!r}"
            for field in fields(self.settings)
        )

    def forward(
        self,
        problem: PnPProblem,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[PoseEstimate, PoseSamples]:
        """`solve`, then `sample` around the estimate."""
        estimate = self.solve(problem, start, generator)
        return estimate, self.sample(problem, estimate, generator)

    def solve(
        self,
        problem: PnPProblem,
        start: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> PoseEstimate:
        """The pose of lowest cost that the solver reaches from the candidates of the random start.

        Args:
            problem: (...) objects; none is fine.
            start: (..., D), competes with the proposals of the random start by cost; with
                `init=None` it is the only start. None: the mode of the prior, if there is one.
            generator: source of randomness, on the device of the problem.

        Returns:
            (...) estimates; objects without a solution are flagged in `valid` and never raise.

        Raises:
            ValueError: neither a start, nor a prior, nor a random start.
        """
        if start is None and problem.prior is not None:
            start = problem.prior.mode
        if start is None and self.settings.init is None:
            raise ValueError(
                f"{type(self).__name__}.solve: no start; give start= or make the layer with "
                "init=RandomSampleInit()"
            )
        if problem.has_kernel("estimate"):
            estimate = inference.estimate_in_one_operator
        else:
            estimate = inference.estimate
        return estimate(problem, start, self.settings, generator, self.space)

    def sample(
        self,
        problem: PnPProblem,
        estimate: PoseEstimate | None = None,
        generator: torch.Generator | None = None,
    ) -> PoseSamples:
        """Samples of the posterior by AMIS, Alg. 1, from proposals around an estimate.

        Args:
            problem: (...) objects; gradients flow into its points and threshold through
                `log_weights`.
            estimate: where to begin; None solves first.
            generator: source of randomness, on the device of the problem.
        """
        estimate = self.solve(problem, generator=generator) if estimate is None else estimate
        if problem.has_kernel("posterior"):
            return inference.posterior_in_one_operator(problem, estimate, self.settings, generator)
        return inference.posterior(problem, estimate, self.settings, generator, self.space)

    @torch.no_grad()
    def modes(
        self,
        problem: PnPProblem,
        samples: PoseSamples | None = None,
        number: int = 4,
        generator: torch.Generator | None = None,
    ) -> PoseModes:
        """Distinct minima of the cost, the lowest first, with their shares of the posterior.

        `solve` returns the lowest minimum alone. Points in a plane, few points and symmetric
        objects have several of nearly the same cost. The shares come from samples that are drawn
        around each minimum, so a minimum that the samples of `sample` miss has its share too.

        Args:
            problem: (...) objects; none is fine.
            samples: further places to look for minima, besides the random start (with `init=None`
                its defaults).
            number: M, the most modes of an object.
            generator: source of randomness, on the device of the problem.

        Returns:
            (M, ...) modes, `valid` where there is one. Fewer than M if there are fewer starts.

        Raises:
            ValueError: a number below one.
        """
        if number < 1:
            raise ValueError(
                f"{type(self).__name__}.modes: number must be at least 1, not {number}"
            )
        problem = problem.detach()
        init = self.settings.init or DEFAULT_START
        # Proposals of the random start are solutions of copies, with no step on all points.
        one = replace(init, proposals=1, candidates=1)
        proposals = self._with(init=one, lm_iterations=0)
        pool = proposals.solve(_copies(problem, init.proposals), generator=generator).pose
        if samples is not None:
            pool = torch.cat((pool, samples.pose.to(pool)))
        start = distinct(problem, pool, STARTS * number, init.separation)
        refine = self._with(init=None, lm_iterations=max(ITERATIONS, self.settings.lm_iterations))
        found = refine.solve(_copies(problem, len(start)), start)
        minima = distinct_minima(problem, found, number)
        around = self.sample(_copies(problem, len(minima.pose)), minima, generator)
        return PoseModes(**vars(minima), weight=posterior_shares(minima, around))

    def _with(self, **settings: Any) -> Self:
        """The layer with some other settings."""
        return type(self)(**{**vars(self.settings), **settings})


def _copies(problem: PnPProblem, number: int) -> PnPProblem:
    """The problem (...) as (number, ...)."""
    return problem.map(lambda value: value.expand(number, *value.shape))


class EProPnP4DoF(EProPnP):
    """EPro-PnP for yaw-only poses (x, y, z, yaw), see `YawPose`. The settings are those of
    `EProPnP`.

    Example:
        >>> from epropnp_det.pnp import Camera, Correspondences
        >>> generator = torch.Generator().manual_seed(0)
        >>> camera = Camera.for_image([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]], (1600, 900))
        >>> true_pose = torch.tensor([[1.0, 0.5, 10.0, 0.3]])  # x, y, z [m], yaw [rad]
        >>> x3d = torch.rand(1, 16, 3, generator=generator) - 0.5
        >>> x2d = camera.project(YawPose.transform(true_pose, x3d))
        >>> points = Correspondences(x3d, x2d, torch.ones(1, 16, 2))
        >>> layer = EProPnP4DoF(mc_samples=128)
        >>> estimate, samples = layer(PnPProblem.adaptive(points, camera), generator=generator)
        >>> torch.allclose(estimate.pose, true_pose, atol=1e-3)
        True
        >>> samples.pose.shape
        torch.Size([128, 1, 4])
    """

    space = YawPose


class EProPnP6DoF(EProPnP):
    """EPro-PnP for all rigid poses (x, y, z, qw, qx, qy, qz), see `SE3Pose`. The settings are those
    of `EProPnP`.
    """

    space = SE3Pose
