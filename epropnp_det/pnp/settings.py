"""What an EPro-PnP layer is made of: checked once, then frozen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

# Solvers, by name.
SOLVERS = ("lm", "gauss_newton")


@dataclass(frozen=True)
class RandomSampleInit:
    """Settings of the random start: `proposals` poses, each from `points` points and refined by
    `iterations` solver steps. The solver then refines the `candidates` of lowest cost, and the
    best of them is the solution.

    Args:
        proposals: number of few-point problems.
        points: points of each.
        iterations: solver steps on each.
        candidates: how many proposals the solver refines on all points. With 1 it refines the one
            of lowest cost, as the released programs do. Few points, or points in a plane, have
            several minima, and the lowest proposal often belongs to a higher one. None: 1 for
            yaw-only poses, 4 for 6DoF poses.
        separation: least angle [rad] between the orientations of candidates, so that they lead to
            different minima. Where too few proposals are that far apart, others of low cost take
            their places.

    Raises:
        ValueError: a setting that is no number of its kind, or out of range.
    """

    proposals: int = 64
    points: int = 16
    iterations: int = 3
    candidates: int | None = None
    separation: float = math.radians(20)

    def __post_init__(self) -> None:
        for name, least in (("proposals", 1), ("points", 2), ("iterations", 0), ("candidates", 1)):
            value = getattr(self, name)
            if name == "candidates" and value is None:
                continue
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"RandomSampleInit: {name} must be an integer >= {least}, not {value!r}"
                )
        angle = self.separation
        if not isinstance(angle, int | float) or not 0 <= angle <= math.pi:
            raise ValueError(
                f"RandomSampleInit: separation must be an angle from 0 to pi, not {angle!r}"
            )


DEFAULT_START = RandomSampleInit()


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
            raise ValueError(
                f"pnp: mc_samples={self.mc_samples} must be a multiple of "
                f"amis_rounds={self.amis_rounds}; use {near}"
            )
        if self.solver not in SOLVERS:
            raise ValueError(
                f"pnp: unknown solver {self.solver!r}; use one of {', '.join(map(repr, SOLVERS))}"
            )
        object.__setattr__(self, "init", random_start_settings(self.init))


def random_start_settings(init: Any) -> RandomSampleInit | None:
    """Settings of the random start from themselves, a dict of them or None."""
    if init is None or isinstance(init, RandomSampleInit):
        return init
    if not isinstance(init, Mapping):
        raise TypeError(
            f"pnp: init must be a RandomSampleInit, a dict of its settings or None, not {init!r}"
        )
    refuse_unknown("pnp init", init, RandomSampleInit)
    return RandomSampleInit(**init)


def refuse_unknown(where: str, given: Iterable[str], settings: type) -> None:
    """Raises a TypeError for the first name that is no field of the settings."""
    known = [field.name for field in fields(settings)]
    for name in given:
        if name not in known:
            raise TypeError(
                f"{where}: unknown setting {name!r}; remove it or use one of {', '.join(known)}"
            )
