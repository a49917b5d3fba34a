"""Temperatures by the Monte Carlo loss, Eq. (5)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from tqdm import tqdm

from .objects import CalibrationObjects
from .sampling import Layer, in_parts, loss_at
from .temperature import Temperatures

# log T of the table: from 1/4 to 32 in steps of a quarter octave.
GRID = np.log(2.0) * np.arange(-2.0, 5.01, 0.25)
# Standard deviation of the classes' log T around that of all: a class of few objects stays near it.
SPREAD = 0.5
# The same for the slope over log distance.
SLOPE_SPREAD = 0.5
# The tail, where there is one: where its fit begins, and bounds of share and factor.
TAIL_START = (0.15, 4.0)
TAIL_SHARE = (0.01, 0.5)
TAIL_FACTOR = (1.5, 8.0)
FOLDS = 5


@dataclass(frozen=True)
class LossTable:
    """Monte Carlo losses (n, K) of n objects at the temperatures of `GRID`."""

    losses: Tensor

    def at(self, log_temperature: Tensor) -> Tensor:
        """(n,) losses at log T (n,), by cubic interpolation; constant beyond the grid."""
        step = float(GRID[1] - GRID[0])
        place = ((log_temperature - float(GRID[0])) / step).clamp(0, len(GRID) - 1)
        left = place.detach().floor().long().clamp(max=len(GRID) - 2)
        t = place - left
        before, low, high, after = (
            self.losses.gather(1, (left + shift).clamp(0, len(GRID) - 1)[:, None])[:, 0]
            for shift in (-1, 0, 1, 2)
        )
        slope = (high - before) / 2
        end_slope = (after - low) / 2
        return (
            (2 * t**3 - 3 * t**2 + 1) * low
            + (t**3 - 2 * t**2 + t) * slope
            + (3 * t**2 - 2 * t**3) * high
            + (t**3 - t**2) * end_slope
        )

    def of_mixture(self, log_temperature: Tensor, share: Tensor, factor: Tensor) -> Tensor:
        """(n,) losses of mixtures of log T (n,) and, with a share, of T times a factor."""
        first = torch.log1p(-share) - self.at(log_temperature)
        tail = share.log() - self.at(log_temperature + factor.log())
        return -torch.logaddexp(first, tail)


def loss_table(objects: CalibrationObjects, layer: Layer, seed: int = 0) -> LossTable:
    """Losses at the temperatures of `GRID`, with the same random numbers at each."""
    columns = []
    for log_temperature in tqdm(GRID, desc="losses", unit="temperature", disable=None):
        temperature = math.exp(log_temperature)
        losses = [loss_at(part, layer, temperature, seed) for part in in_parts(objects, layer)]
        columns.append(torch.cat(losses))
    return LossTable(torch.stack(columns, dim=1).double())


@dataclass(frozen=True)
class Form:
    """Which terms of `Temperatures` are fitted besides `base`."""

    by_class: bool = False
    by_distance: bool = False
    tail: bool = False

    def __str__(self) -> str:
        chosen = (("class", self.by_class), ("distance", self.by_distance), ("tail", self.tail))
        return " + ".join(["all", *(name for name, is_fitted in chosen if is_fitted)])


# From the simplest on.
FORMS = (
    Form(),
    Form(by_distance=True),
    Form(tail=True),
    Form(by_distance=True, tail=True),
    Form(by_class=True),
    Form(by_class=True, by_distance=True),
    Form(by_class=True, tail=True),
    Form(by_class=True, by_distance=True, tail=True),
)


class _Terms(NamedTuple):
    """The free numbers of a fit: log T of all, terms of classes and of log distance, and the tail's
    share and factor.
    """

    base: Tensor
    by_class: Tensor
    slope: Tensor
    share: Tensor
    factor: Tensor


@dataclass(frozen=True)
class _Objective:
    """Mean loss of objects with a normal prior, a function of the free numbers (4 + classes,) for
    scipy.

    Args:
        table: losses of n objects.
        label, ratio: (n,), (n,) log of the distance over the mean one.
        form: the terms to fit; the others are zero.
    """

    table: LossTable
    label: Tensor
    ratio: Tensor
    form: Form

    def terms(self, values: Tensor) -> _Terms:
        base, slope, share, factor = values[:4]
        by_class = values[4:] * self.form.by_class
        return _Terms(base, by_class, slope * self.form.by_distance, share, factor.exp())

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient."""
        free = torch.tensor(values, requires_grad=True)
        terms = self.terms(free)
        log_temperature = terms.base + terms.by_class[self.label] + terms.slope * self.ratio
        if self.form.tail:
            losses = self.table.of_mixture(log_temperature, terms.share, terms.factor)
        else:
            losses = self.table.at(log_temperature)
        prior = free[4:].square().sum() / SPREAD**2 + free[1].square() / SLOPE_SPREAD**2
        total = (losses.sum() + prior / 2) / len(losses)
        (gradient,) = torch.autograd.grad(total, free)
        return float(total.detach()), gradient.numpy()


def fit(
    table: LossTable, label: Tensor, distance: Tensor, form: Form, classes: int
) -> Temperatures:
    """The temperatures of lowest mean loss; terms of classes and distance are drawn to zero by a
    normal prior.

    Objects without a finite loss are left out.

    Args:
        table: losses of n objects.
        label, distance: (n,), (n,) [m].
        form: the terms to fit.
        classes: number of classes.
    """
    finite = table.losses.isfinite().all(1)
    table = LossTable(table.losses[finite])
    distance = distance[finite].double()
    reference = float(distance.log().mean().exp())
    objective = _Objective(table, label[finite], (distance / reference).log(), form)
    tail_share, tail_factor = TAIL_START
    begin = GRID[int(table.losses.mean(0).argmin())]
    start = np.array([begin, 0.0, tail_share, math.log(tail_factor), *[0.0] * classes])
    log_factor = tuple(math.log(factor) for factor in TAIL_FACTOR)
    bounds = [(GRID[0], GRID[-1]), (None, None), TAIL_SHARE, log_factor, *[(None, None)] * classes]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    terms = objective.terms(torch.from_numpy(found))
    return Temperatures(
        float(terms.base),
        tuple(terms.by_class.tolist()) if form.by_class else (),
        float(terms.slope),
        reference,
        (math.exp(GRID[0]), math.exp(GRID[-1])),
        float(terms.share) if form.tail else 0.0,
        float(terms.factor) if form.tail else 1.0,
    )


def losses_of(
    table: LossTable, temperatures: Temperatures, label: Tensor, distance: Tensor
) -> Tensor:
    """(n,) losses of the temperatures; arguments as of `fit`."""
    log_temperature = temperatures.at(label, distance).double().log()
    if temperatures.tail_share == 0:
        return table.at(log_temperature)
    share, factor = (
        log_temperature.new_tensor(value)
        for value in (temperatures.tail_share, temperatures.tail_factor)
    )
    return table.of_mixture(log_temperature, share, factor)


def choose_form(
    table: LossTable, objects: CalibrationObjects, classes: int
) -> tuple[Form, dict[str, float]]:
    """The form of lowest loss on objects of images that it was not fitted to, and the mean loss of
    every form. The simpler one wins unless the other is better by more than its standard error.
    """
    fold = objects.image % FOLDS
    held_out = {form: _held_out_losses(table, objects, form, classes, fold) for form in FORMS}
    best = FORMS[0]
    for form in FORMS[1:]:
        gain = held_out[best] - held_out[form]
        if gain.mean() > gain.std() / math.sqrt(max(len(gain), 1)):
            best = form
    return best, {str(form): float(losses.mean()) for form, losses in held_out.items()}


def _held_out_losses(
    table: LossTable, objects: CalibrationObjects, form: Form, classes: int, fold: Tensor
) -> Tensor:
    losses = torch.full((len(objects),), math.nan, dtype=torch.float64)
    for number in range(FOLDS):
        out = fold == number
        if out.any() and not out.all():
            kept = LossTable(table.losses[~out])
            found = fit(kept, objects.label[~out], objects.distance[~out], form, classes)
            left_out = LossTable(table.losses[out])
            losses[out] = losses_of(left_out, found, objects.label[out], objects.distance[out])
    return losses[losses.isfinite()]
