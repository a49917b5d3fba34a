"""Regions of the distributions of predicted objects."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from epropnp_det.posterior.quantities import quantities_of
from epropnp_det.posterior.ranking import Region

from .stored import PROBABILITIES

KINDS = ("conformal", "credible")


def regions(
    sample_pose: Tensor | None,
    sample_weight: Tensor | None,
    conformal_levels: Tensor | None,
    probability: float,
    quantity: str = "position",
    kind: str | None = None,
) -> list[Region | None]:
    """The smallest regions of a probability for n objects.

    Args:
        sample_pose: (n, S, D) samples of the poses.
        sample_weight: (n, S); NaN where an object has no distribution.
        conformal_levels: (n, Q, 99), see `Calibration.conformal_table`; None without a calibration.
        probability: in (0, 1).
        quantity: a name of `posterior.quantities`.
        kind: 'credible': holds so much of the predicted probability; 'conformal': holds so many of
            the true values of objects like those of the calibration; None: conformal where there
            is a calibration.

    Returns:
        A region for each object, None where it has no distribution.

    Raises:
        ValueError: no samples, an unknown quantity or kind, a probability out of range, or
            conformal regions without a calibration.
    """
    if sample_pose is None or sample_weight is None:
        raise ValueError("regions need pose samples: detect with mc_samples=512")
    quantities = quantities_of(sample_pose.shape[-1])
    if quantity not in quantities:
        raise ValueError(f"no quantity {quantity!r}; use one of {', '.join(quantities)}")
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1, not {probability!r}")
    kind = kind or ("credible" if conformal_levels is None else "conformal")
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r} of regions; use one of {', '.join(KINDS)}")
    if kind == "conformal" and conformal_levels is None:
        raise ValueError(
            "conformal regions need a calibrated checkpoint; make one by `epropnp calibrate`"
        )
    chosen = quantities[quantity]
    row = list(quantities).index(quantity)
    column = min(int(np.searchsorted(PROBABILITIES, probability - 1e-9)), len(PROBABILITIES) - 1)
    found: list[Region | None] = []
    for index, weight in enumerate(sample_weight.double().cpu().numpy()):
        if not np.isfinite(weight).all():
            found.append(None)
            continue
        level = probability
        if kind == "conformal" and conformal_levels is not None:
            level = float(conformal_levels[index, row, column])
        ranked = chosen.ranked(sample_pose[index].double().cpu().numpy(), weight)
        found.append(ranked.region(level))
    return found
