"""Which implementation computes the five operations that take all the time: cost, linearize, solve, start and sample.

`PnPProblem` and the layers ask `choose`; nothing else changes where a faster implementation is registered. The plain
torch one (`kernels.eager`) can always do everything, and is the oracle for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..pose_proposal import PoseProposal
    from ..problem import Linearization, PnPProblem
    from ..sampler import PoseSamples
    from ..space import PoseSpace
    from ..start import RandomSampleInit

Operation = Literal["cost", "linearize", "solve", "start", "sample"]


class Implementation(Protocol):
    """One way to compute the operations.

    `cost` and `linearize` are called outside autocast; the others keep it out themselves (`records.full_precision`).
    """

    name: str

    def supports(self, operation: Operation, problem: PnPProblem) -> bool:
        """Whether it can do this for such a problem, told by shapes, dtypes, devices and settings: values would cost a synchronisation."""

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        """`PnPProblem.cost`: (S, ...) at poses (S, ..., D) that exist, with a single sample dim; differentiable in all inputs."""

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        """`PnPProblem.linearize` at poses (S, ..., D), any number of sample dims; differentiable in all inputs."""

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        """Poses (S, ..., D) after so many steps of the solver `method` from a start (S, ..., D); no gradient."""

    def start(
        self, problem: PnPProblem, settings: RandomSampleInit, generator: torch.Generator | None, solver: str, space: type[PoseSpace]
    ) -> Tensor:
        """`start.best_of_random`; no gradient."""

    def sample(
        self, problem: PnPProblem, first: PoseProposal, valid: Tensor, samples: int, rounds: int, generator: torch.Generator | None
    ) -> PoseSamples:
        """`sampler.amis`; the log weights are differentiable."""


_implementations: list[Implementation] = []
# Names that `only` asks for, the innermost last. A plain list, which torch.compile can look into; so it is not for threads.
_only: list[str] = []


def register(implementation: Implementation) -> None:
    """Adds an implementation; the newest is asked first.

    Raises:
        ValueError: one of this name exists.
    """
    if implementation.name in names():
        raise ValueError(f"an implementation named {implementation.name!r} exists; choose another name")
    _implementations.insert(0, implementation)


def names() -> list[str]:
    """The registered implementations, the one asked first in front."""
    return [implementation.name for implementation in _implementations]


def choose(operation: Operation, problem: PnPProblem) -> Implementation:
    """The first implementation that supports the operation on this problem, or the one that `only` names.

    Raises:
        ValueError: the one that `only` names does not support it.
    """
    for implementation in _implementations:
        wanted = not _only or implementation.name == _only[-1]
        if wanted and implementation.supports(operation, problem):
            return implementation
    raise ValueError(f"no implementation among {_only[-1:] or names()} supports {operation!r} on this problem; use another of {names()}")


@contextmanager
def only(name: str) -> Iterator[None]:
    """Inside, the implementation of this name does everything: `only("eager")` asks the oracle.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in names():
        raise ValueError(f"no implementation is named {name!r}; use one of {', '.join(names())}")
    _only.append(name)
    try:
        yield
    finally:
        _only.pop()
