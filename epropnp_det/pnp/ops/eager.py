"""The plain torch implementation: every operation, every device and dtype."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .. import inference
from ..amis import amis
from ..correspondences import Correspondences
from ..problem import PnPProblem
from ..proposals.pose_proposal import PoseProposal
from ..random_start import best_of_random
from ..results import Linearization, PoseEstimate, PoseSamples
from ..settings import LayerSettings, RandomSampleInit
from ..solver import STEPS, newton_tangent
from ..spaces.base import PoseSpace
from . import Operation, register, torch_impl
from .robust import adaptive_threshold


class Eager:
    """See `Implementation`."""

    name = "eager"

    def supports(self, operation: Operation, subject: Correspondences | PnPProblem) -> bool:
        return True

    def clean(self, points: Correspondences) -> tuple[Tensor, Tensor, Tensor]:
        return points.cleaned()

    def threshold(self, points: Correspondences, relative_delta: float) -> Tensor:
        return adaptive_threshold(points.x2d, points.w2d, points.mask, relative_delta)

    def mend(self, problem: PnPProblem) -> dict[str, Any]:
        return problem.mended()

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        return torch_impl.cost(problem, pose)

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        return Linearization(*torch_impl.normal_equations(problem, pose, zero_clipped))

    def step(self, problem: PnPProblem, pose: Tensor, damping: float) -> Tensor:
        return newton_tangent(problem, pose, damping)

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        return STEPS[method](problem, start, iterations)[0]

    def start(
        self,
        problem: PnPProblem,
        settings: RandomSampleInit,
        generator: torch.Generator | None,
        solver: str,
        space: type[PoseSpace],
    ) -> Tensor:
        return best_of_random(problem, settings, generator, solver, space)

    def sample(
        self,
        problem: PnPProblem,
        first: PoseProposal,
        valid: Tensor,
        samples: int,
        rounds: int,
        generator: torch.Generator | None,
    ) -> PoseSamples:
        return amis(problem, first, valid, samples, rounds, generator)

    def estimate(
        self,
        problem: PnPProblem,
        start: Tensor | None,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
    ) -> PoseEstimate:
        return inference.estimate(problem, start, settings, generator, space)

    def posterior(
        self,
        problem: PnPProblem,
        estimate: PoseEstimate,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
    ) -> PoseSamples:
        return inference.posterior(problem, estimate, settings, generator, space)


register(Eager())
