"""The plain torch implementation: every operation, every device and dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import reprojection
from ..pose_proposal import PoseProposal
from ..problem import Linearization, PnPProblem
from ..sampler import PoseSamples, amis
from ..solver import STEPS
from ..space import PoseSpace
from ..start import RandomSampleInit, best_of_random
from . import Operation, register


class Eager:
    """See `Implementation`."""

    name = "eager"

    def supports(self, operation: Operation, problem: PnPProblem) -> bool:
        return True

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        return reprojection.cost(problem, pose)

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        return Linearization(*reprojection.normal_equations(problem, pose, zero_clipped))

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        return STEPS[method](problem, start, iterations)[0]

    def start(
        self, problem: PnPProblem, settings: RandomSampleInit, generator: torch.Generator | None, solver: str, space: type[PoseSpace]
    ) -> Tensor:
        return best_of_random(problem, settings, generator, solver, space)

    def sample(
        self, problem: PnPProblem, first: PoseProposal, valid: Tensor, samples: int, rounds: int, generator: torch.Generator | None
    ) -> PoseSamples:
        return amis(problem, first, valid, samples, rounds, generator)


register(Eager())
