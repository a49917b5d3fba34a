"""What an EPro-PnP layer is made of: checked once, then frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

# Solvers, by name.
SOLVERS = ("lm", "gauss_newton")


@dataclass(frozen=True)
class RandomSampleInit:
    """Settings of the random start: `proposals` poses, each from `points` points and refined by
    `iterations` solver steps.

    Raises:
        ValueError: a setting that is not an integer, or too small.
    """

    proposals: int = 64
    points: int = 16
    iterations: int = 3

    def __post_init__(self) -> None:
        for name, least in (("proposals", 1), ("points", 2), ("iterations", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"RandomSampleInit: {name} must be an integer >= {least}, not {value!r}"
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
