"""How far predicted distributions can be believed: levels of the true poses, volumes of regions,
log densities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from epropnp_det.posterior.conformal import conformal_level
from epropnp_det.posterior.credible_regions import NOMINAL, binomial_error, coverage
from epropnp_det.posterior.density import effective_sample_size
from epropnp_det.posterior.quantities import quantities_of

from .objects import CalibrationObjects
from .sampling import Layer, in_parts, log_density_and_samples
from .temperature import Temperatures

SHARP = 0.9  # probability of the regions whose volume is reported
DELAY = 5  # seconds until a comparison has a progress bar


@dataclass(frozen=True)
class Reliability:
    """Comparison of n distributions with their true poses.

    Args:
        levels: by quantity, (n,) of the true values; NaN for objects without a distribution, and
            for orientations that mean nothing.
        volumes: by quantity, (n,) of the credible regions of probability `SHARP`, in the units of
            `posterior.quantities`.
        conformal_volumes: the same of the conformal regions; empty without a calibration's levels.
        effective_samples: (n,) of the samples of each distribution.
        log_density: (n,) of the true poses; NaN where it is unknown.
        label: (n,).
    """

    levels: Mapping[str, np.ndarray]
    volumes: Mapping[str, np.ndarray]
    conformal_volumes: Mapping[str, np.ndarray]
    effective_samples: np.ndarray
    log_density: np.ndarray
    label: np.ndarray

    @classmethod
    def cat(cls, parts: Sequence[Reliability]) -> Reliability:
        """The comparisons of at least one part, of the same quantities, one after the other."""

        def joined(name: str) -> Any:
            values = [getattr(part, name) for part in parts]
            if isinstance(values[0], Mapping):
                return {key: np.concatenate([each[key] for each in values]) for key in values[0]}
            return np.concatenate(values)

        return cls(**{each.name: joined(each.name) for each in fields(cls)})

    def __len__(self) -> int:
        return len(self.label)

    @property
    def with_distribution(self) -> int:
        """Number of the objects that have a distribution."""
        return int(np.isfinite(self.effective_samples).sum())

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
    samples: int | None = None,
) -> Reliability:
    """Levels and volumes of n objects, and log densities of their true poses.

    Args:
        objects: n objects.
        layer: draws the samples.
        temperatures: the temperatures of the distributions.
        conformal: levels of a calibration by quantity, for the volumes of its conformal regions.
        seed: start of the random numbers.
        samples: how many of the layer's samples are kept for levels and volumes; None for all.
    """
    found = []
    with tqdm(total=len(objects), desc="levels", unit="object", delay=DELAY, disable=None) as bar:
        for number, part in enumerate(in_parts(objects, layer)):
            density, drawn = log_density_and_samples(part, layer, temperatures, seed + number)
            drawn = drawn if samples is None else drawn.thinned(samples)
            weight = drawn.weights.where(drawn.valid, torch.nan)
            known = (part.truth, part.oriented, part.label)
            compared = compare_samples(drawn.pose.transpose(0, 1), weight.T, *known, conformal)
            found.append(replace(compared, log_density=density.double().numpy()))
            bar.update(len(part))
    return Reliability.cat(found)


def compare_samples(
    pose: Tensor,
    weight: Tensor,
    truth: Tensor,
    oriented: Tensor,
    label: Tensor,
    conformal: Mapping[str, np.ndarray] | None = None,
) -> Reliability:
    """Levels and volumes of n distributions from their samples; log densities are unknown.

    Args:
        pose: (n, S, D) samples, on the CPU.
        weight: (n, S) of the samples; NaN where there is no distribution.
        truth: (n, D) true poses.
        oriented: (n,) bool, whether the orientation of an object means something.
        label: (n,).
        conformal: levels of a calibration by quantity, for the volumes of its conformal regions.
    """
    poses = pose.double().numpy()
    weights = weight.double().numpy()
    truths = truth.double().numpy()
    usable = np.isfinite(weights).all(1) & np.isfinite(poses).all((1, 2))
    quantities = quantities_of(poses.shape[-1])
    limits = {name: conformal_level(each, SHARP) for name, each in (conformal or {}).items()}
    unknown = np.full(len(poses), np.nan)
    levels = {name: unknown.copy() for name in quantities}
    volumes = {name: unknown.copy() for name in quantities}
    conformal_volumes = {name: unknown.copy() for name in limits}
    effective = unknown.copy()
    for index in np.flatnonzero(usable):
        effective[index] = effective_sample_size(weights[index])
        for name, quantity in quantities.items():
            if quantity.oriented and not oriented[index]:
                continue
            ranked = quantity.ranked(poses[index], weights[index])
            levels[name][index] = quantity.levels(ranked, truths[None, index])[0]
            volumes[name][index] = ranked.region(SHARP).volume
            if name in limits:
                conformal_volumes[name][index] = ranked.region(limits[name]).volume
    return Reliability(levels, volumes, conformal_volumes, effective, unknown, label.numpy())


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
        objects=len(result),
        without_distribution=len(result) - result.with_distribution,
        median_effective_samples=_median(result.effective_samples),
        chance={str(p): binomial_error(p, len(result)) for p in NOMINAL},
        coverage=_coverage(result, conformal),
        log_density=float(result.log_density[known].mean()) if known.any() else None,
        volume={name: _median(values) for name, values in volumes.items()},
        classes=classes,
    )


def _median(values: np.ndarray) -> float | None:
    """Median of the values (n,) that are known; None where it is infinite or none is known."""
    known = values[~np.isnan(values)]
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
