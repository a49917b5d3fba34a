"""A calibration as a value, and as the entry `calibration` of a checkpoint."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from epropnp_det.errors import UserError
from epropnp_det.pnp import PnPProblem, PoseEstimate
from epropnp_det.posterior.conformal import conformal_level

from .sampling import CalibratedPosterior
from .temperature import Temperatures

KEY = "calibration"
VERSION = 1
# Probabilities of the conformal regions that detections carry.
PROBABILITIES = np.arange(1, 100) / 100


@dataclass(frozen=True)
class Calibration:
    """What makes the distributions of a checkpoint believable.

    Args:
        temperatures: the temperatures of the distributions.
        levels: by quantity (`posterior.quantities`), levels of the true values of the calibration
            in the tempered distributions, (n,): those of conformal regions.
        about: where it comes from, plain values by name.
    """

    temperatures: Temperatures
    levels: Mapping[str, np.ndarray] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def posterior(
        self, problem: PnPProblem, estimate: PoseEstimate, label: Tensor
    ) -> CalibratedPosterior:
        """The distributions of n objects with labels (n,)."""
        return CalibratedPosterior.of(problem, estimate, label, self.temperatures)

    @functools.cached_property
    def conformal_table(self) -> Tensor:
        """(Q, 99) levels of the conformal regions of `PROBABILITIES`, in the order of `levels`."""
        rows = [[conformal_level(each, p) for p in PROBABILITIES] for each in self.levels.values()]
        return torch.tensor(rows, dtype=torch.float32).reshape(-1, len(PROBABILITIES))

    def to_plain(self) -> dict[str, Any]:
        """Tensors and plain values, which `torch.load(..., weights_only=True)` reads."""
        return dict(
            version=VERSION,
            temperatures=self.temperatures.to_plain(),
            levels={name: torch.from_numpy(np.sort(each)) for name, each in self.levels.items()},
            about=dict(self.about),
        )

    @classmethod
    def from_checkpoint(cls, checkpoint: Mapping[str, Any]) -> Calibration | None:
        """That of a checkpoint; None where it has none.

        Raises:
            UserError: it is of another version, or broken.
        """
        stored = checkpoint.get(KEY)
        if stored is None:
            return None
        remedy = "calibrate the checkpoint again (epropnp calibrate)"
        if not isinstance(stored, dict) or stored.get("version") != VERSION:
            raise UserError(f"the calibration of the checkpoint is of another version; {remedy}")
        try:
            return cls(
                Temperatures.from_plain(stored["temperatures"]),
                {name: each.double().numpy() for name, each in stored["levels"].items()},
                stored["about"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"the calibration of the checkpoint is broken; {remedy}") from error
