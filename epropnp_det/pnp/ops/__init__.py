"""Which implementation computes what takes all the time.

`Correspondences`, `PnPProblem` and the layers ask `choose`; nothing else changes where a faster
implementation is registered. The plain torch one (`kernels.eager`) can always do everything, and is
the oracle for the others: they inherit from it what they do not have. There are single operations,
and whole calls of a layer, which are made of them (`inference.py`) where an implementation has no
shorter way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..correspondences import Correspondences
    from ..proposals.pose_proposal import PoseProposal
    from ..problem import PnPProblem
    from ..results import Linearization
    from ..results import PoseSamples
    from ..settings import LayerSettings
    from ..results import PoseEstimate
    from ..spaces.base import PoseSpace
    from ..settings import RandomSampleInit

# Asked of points; of problems; and of problems, whole calls of a layer.
PointOperation = Literal["clean", "threshold"]
ProblemOperation = Literal["mend", "cost", "linearize", "step", "solve", "start", "sample"]
Operation = PointOperation | ProblemOperation | Literal["estimate", "posterior"]


class Implementation(Protocol):
    """One way to compute the operations.

    `cost`, `linearize` and `step` are called outside autocast; the others keep it out themselves
    (`records.full_precision`).
    """

    name: str

    def supports(self, operation: Operation, subject: Correspondences | PnPProblem) -> bool:
        """Whether it can do this for such points or such a problem, told by shapes, dtypes, devices
        and settings: values would cost a synchronisation."""

    def clean(self, points: Correspondences) -> tuple[Tensor, Tensor, Tensor]:
        """`Correspondences.cleaned`: x3d, x2d and w2d (..., N, 2|3); differentiable."""

    def threshold(self, points: Correspondences, relative_delta: float) -> Tensor:
        """`adaptive_threshold` (...); differentiable in x2d and w2d."""

    def mend(self, problem: PnPProblem) -> dict[str, Any]:
        """`PnPProblem.mended`, or nothing of it where nothing is broken; differentiable."""

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        """`PnPProblem.cost`: (S, ...) at poses (S, ..., D) that exist, with a single sample dim;
        differentiable in all inputs.
        """

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        """`PnPProblem.linearize` at poses (S, ..., D), any number of sample dims; differentiable in
        all inputs.
        """

    def step(self, problem: PnPProblem, pose: Tensor, damping: float) -> Tensor:
        """The tangent (S, ..., T) of `gauss_newton_step` at poses (S, ..., D); differentiable in
        points, weights and threshold.
        """

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        """Poses (S, ..., D) after so many steps of the solver `method` from a start (S, ..., D); no
        gradient.
        """

    def start(
        self,
        problem: PnPProblem,
        settings: RandomSampleInit,
        generator: torch.Generator | None,
        solver: str,
        space: type[PoseSpace],
    ) -> Tensor:
        """`start.best_of_random`; no gradient."""

    def sample(
        self,
        problem: PnPProblem,
        first: PoseProposal,
        valid: Tensor,
        samples: int,
        rounds: int,
        generator: torch.Generator | None,
    ) -> PoseSamples:
        """`sampler.amis`; the log weights are differentiable."""

    def estimate(
        self,
        problem: PnPProblem,
        start: Tensor | None,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
    ) -> PoseEstimate:
        """`EProPnP.solve` with a start (..., D), a random start or both; no gradient."""

    def posterior(
        self,
        problem: PnPProblem,
        estimate: PoseEstimate,
        settings: LayerSettings,
        generator: torch.Generator | None,
        space: type[PoseSpace],
    ) -> PoseSamples:
        """`EProPnP.sample`; the log weights are differentiable."""


_implementations: list[Implementation] = []
# Names that `only` asks for, the innermost last. A plain list, which torch.compile can look into;
# so it is not for threads.
_only: list[str] = []


def register(implementation: Implementation) -> None:
    """Adds an implementation; the newest is asked first.

    Raises:
        ValueError: one of this name exists.
    """
    if implementation.name in names():
        raise ValueError(
            f"an implementation named {implementation.name!r} exists; choose another name"
        )
    _implementations.insert(0, implementation)


def names() -> list[str]:
    """The registered implementations, the one asked first in front."""
    return [implementation.name for implementation in _implementations]


def choose(operation: Operation, subject: Correspondences | PnPProblem) -> Implementation:
    """The first implementation that supports the operation on these points or this problem, or the
    one that `only` names.

    Raises:
        ValueError: the one that `only` names does not support it.
    """
    for implementation in _implementations:
        wanted = not _only or implementation.name == _only[-1]
        if wanted and implementation.supports(operation, subject):
            return implementation
    raise ValueError(
        f"no implementation among {_only[-1:] or names()} supports {operation!r} on this problem; use another of {names()}"
    )


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
