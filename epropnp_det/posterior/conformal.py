"""Split-conformal level sets: regions that hold the true value at the promised rate, whatever the
model predicts.
"""

from __future__ import annotations

import math

import numpy as np


def conformal_level(levels: np.ndarray, probability: float) -> float:
    """The level whose regions hold a new true value with at least this probability, where it is
    exchangeable with the true values of a calibration.

    It is the ceil((n + 1) p)-th smallest of the levels (Vovk et al. 2005, "Algorithmic learning in
    a random world"; Yang and Pavone 2023 for poses): over calibrations and new values, the
    probability lies between p and p + 1 / (n + 1), where no two levels are equal.

    Args:
        levels: (n,) of the true values of the calibration, in any order.
        probability: in (0, 1).

    Returns:
        The level, 1 where n is too small for the probability: the region is then everything.
    """
    rank = math.ceil((len(levels) + 1) * probability - 1e-9)
    if rank > len(levels):
        return 1.0
    return float(np.partition(levels, rank - 1)[rank - 1])
