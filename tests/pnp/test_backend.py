from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from epropnp_det.pnp import Correspondences, PnPProblem, PoseSamples, ops
from epropnp_det.pnp.ops.eager import Eager
from epropnp_det.pnp.proposals.pose_proposal import PoseProposal
from epropnp_det.pnp.results import Linearization
from epropnp_det.pnp.spaces.base import PoseSpace

from . import scenes
from .scenes import SPACES, seeded


class Counting(Eager):
    """The plain implementation, which counts its calls and supports float64 alone."""

    name = "counting"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def supports(self, operation: ops.Operation, subject: Correspondences | PnPProblem) -> bool:
        return subject.dtype == torch.float64

    def cost(self, problem: PnPProblem, pose: Tensor) -> Tensor:
        assert not torch.is_autocast_enabled("cpu") and pose.ndim == len(problem.shape) + 2
        self.calls.append("cost")
        return super().cost(problem, pose)

    def linearize(self, problem: PnPProblem, pose: Tensor, zero_clipped: bool) -> Linearization:
        self.calls.append("linearize")
        return super().linearize(problem, pose, zero_clipped)

    def solve(self, problem: PnPProblem, start: Tensor, iterations: int, method: str) -> Tensor:
        self.calls.append("solve")
        return super().solve(problem, start, iterations, method)

    def sample(
        self,
        problem: PnPProblem,
        first: PoseProposal,
        valid: Tensor,
        samples: int,
        rounds: int,
        generator: torch.Generator | None,
    ) -> PoseSamples:
        self.calls.append("sample")
        return super().sample(problem, first, valid, samples, rounds, generator)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    """In front of the plain one; and whatever the tests are told to use, here everything is asked
    in turn.
    """
    monkeypatch.setattr(ops, "_implementations", [Eager()])
    monkeypatch.setattr(ops, "_only", [])
    implementation = Counting()
    ops.register(implementation)
    yield implementation


@SPACES
def test_everything_goes_through_the_newest_implementation(
    space: type[PoseSpace], counting: Counting
) -> None:
    problem, pose = scenes.problem((3,), space=space)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scenes.layer(space, mc_samples=8)(problem, pose, seeded(0))
        problem.cost(pose.expand(2, 5, 3, space.dim))
    assert set(counting.calls) == {"cost", "linearize", "solve", "sample"}
    assert counting.calls.count("solve") == 2 and counting.calls.count("sample") == 1


def test_what_it_does_not_support_goes_to_the_next(counting: Counting) -> None:
    problem, pose = scenes.problem((3,), dtype=torch.float32)
    problem.cost(pose)
    assert not counting.calls and ops.choose("cost", problem).name == "eager"
    with ops.only("counting"), pytest.raises(ValueError, match=r"counting.*supports 'cost'"):
        problem.cost(pose)


def test_the_oracle_can_be_asked_for(counting: Counting) -> None:
    problem, pose = scenes.problem((3,))
    assert ops.names() == ["counting", "eager"]
    with ops.only("eager"):
        problem.cost(pose)
        with ops.only("counting"):
            problem.linearize(pose)
        assert ops.choose("cost", problem).name == "eager"
    assert counting.calls == ["linearize"]
    assert ops.choose("cost", problem).name == "counting"


def test_names_that_do_not_fit_are_told() -> None:
    assert ops.names() == ["native", "triton", "eager"]
    with (
        pytest.raises(ValueError, match=r"named 'fast'; use one of native, triton, eager"),
        ops.only("fast"),
    ):
        pass
    with pytest.raises(ValueError, match="'eager' exists"):
        ops.register(Eager())
