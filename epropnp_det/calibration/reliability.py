"""How far predicted distributions can be believed: levels of the true poses, volumes of regions,
log densities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from epropnp_det.posterior.conformal import conformal_level
from epropnp_det.posterior.credible_regions import NOMINAL, binomial_error, coverage
from epropnp_det.posterior.quantities import quantities_of

from .objects import CalibrationObjects
from .sampling import Layer, log_density_and_samples
from .temperature import Temperatures

SHARP = 0.9  # probability of the regions whose volume is reported


@dataclass(frozen=True)
class Reliability:
    """Comparison of n distributions with their true poses.

    Args:
        levels: by quantity, (n,) of the true values; NaN for objects without a distribution, and
            for orientations that mean nothing.
        volumes: by quantity, (n,) of the credible regions of probability `SHARP`, in the units of
            `posterior.quantities`.
        conformal_volumes: the same of the conformal regions; empty without a calibration's levels.
        log_density: (n,) of the true poses.
        label: (n,).
    """

    levels: Mapping[str, np.ndarray]
    volumes: Mapping[str, np.ndarray]
    conformal_volumes: Mapping[str, np.ndarray]
    log_density: np.ndarray
    label: np.ndarray

    def of(self, quantity: str, label: int | None = None) -> np.ndarray:
        """The levels of a quantity that are known, of all objects or of one class."""
        levels = self.levels[quantity]
        chosen = np.isfinite(levels)
        return levels[chosen if label is None else chosen & (self.label == label)]


def reliability(
    objects: CalibrationObjects,
    layer: Layer,
    temperatures: Temperatures,
    conformal: Mapping[str, np.ndarray] | None = None,
    seed: int = 1,
) -> Reliability:
    """Levels and volumes of n objects, and log densities of their true poses.

    Args:
        objects: n objects.
        layer: draws the samples.
        temperatures: the temperatures of the distributions.
        conformal: levels of a calibration by quantity, for the volumes of its conformal regions.
        seed: start of the random numbers.
    """
    log_density, drawn = log_density_and_samples(objects, layer, temperatures, seed)
    pose = drawn.pose.transpose(0, 1).double().numpy()
    weight = drawn.weights.T.double().numpy()
    truth = objects.truth.double().numpy()
    oriented = objects.oriented.numpy()
    usable = np.isfinite(weight).all(1) & np.isfinite(pose).all((1, 2)) & drawn.valid.numpy()
    quantities = quantities_of(pose.shape[-1])
    limits = {name: conformal_level(each, SHARP) for name, each in (conformal or {}).items()}
    levels = {name: np.full(len(objects), np.nan) for name in quantities}
    volumes = {name: np.full(len(objects), np.nan) for name in quantities}
    conformal_volumes = {name: np.full(len(objects), np.nan) for name in limits}
    for index in tqdm(np.flatnonzero(usable), desc="levels", unit="object", disable=None):
        for name, quantity in quantities.items():
            if quantity.oriented and not oriented[index]:
                continue
            ranked = quantity.ranked(pose[index], weight[index])
            levels[name][index] = quantity.levels(ranked, truth[None, index])[0]
            volumes[name][index] = ranked.region(SHARP).volume
            if name in limits:
                conformal_volumes[name][index] = ranked.region(limits[name]).volume
    return Reliability(
        levels, volumes, conformal_volumes, log_density.double().numpy(), objects.label.numpy()
    )


def table(
    result: Reliability,
    class_names: Sequence[str],
    conformal: Mapping[str, np.ndarray] | None = None,
) -> dict[str, Any]:
    """Shares of true values in the regions, over all objects and by class; sharpness.

    Args:
        result: the comparison of at least one object.
        class_names: in the order of the labels.
        conformal: levels of a calibration by quantity; the regions are then conformal ones. The
            result is that of `reliability` with the same levels.
    """
    volumes = result.volumes if conformal is None else result.conformal_volumes
    known = np.isfinite(result.log_density)
    classes = {
        name: dict(
            objects=int((result.label == label).sum()),
            coverage=_coverage(result, conformal, label),
        )
        for label, name in enumerate(class_names)
        if (result.label == label).any()
    }
    return dict(
        objects=len(result.label),
        without_distribution=int((~known).sum()),
        chance={str(p): binomial_error(p, len(result.label)) for p in NOMINAL},
        coverage=_coverage(result, conformal),
        log_density=float(result.log_density[known].mean()) if known.any() else None,
        volume={name: _median(values) for name, values in volumes.items()},
        classes=classes,
    )


def _median(volumes: np.ndarray) -> float | None:
    """Median of the volumes (n,) that are known; None where it is infinite or none is known."""
    known = volumes[~np.isnan(volumes)]
    median = float(np.median(known)) if len(known) else math.inf
    return median if math.isfinite(median) else None


def _coverage(
    result: Reliability, conformal: Mapping[str, np.ndarray] | None, label: int | None = None
) -> dict[str, dict[str, float]]:
    shares = {}
    for name in result.levels:
        levels = result.of(name, label)
        if len(levels):
            shares[name] = {
                str(p): coverage(
                    levels, p if conformal is None else conformal_level(conformal[name], p)
                )
                for p in NOMINAL
            }
    return shares
