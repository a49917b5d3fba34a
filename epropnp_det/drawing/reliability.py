"""Reliability of predicted distributions: how often the ground truth lies in regions of a
given probability.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from epropnp_det.posterior.credible_regions import NOMINAL, binomial_error, coverage

from .layout import render_figure

_SIGMAS = 2.0  # of the band that chance alone explains
_BINS = 10
_COLORS = ("#4285f4", "#d81b60", "#f0a000", "#00897b")


def draw_reliability(levels: Mapping[str, np.ndarray], title: str) -> np.ndarray:
    """Left: coverage against the probability of the region. Right: histogram of the levels: (480,
    1100, 3) uint8 BGR.

    Args:
        levels: (n,) of each quantity by its name, see `epropnp_det.calibration`.
    """
    figure = Figure(figsize=(11, 4.8), dpi=100, facecolor="white", layout="constrained")
    figure.suptitle(title, fontsize=11)
    left, right = figure.subplots(1, 2)
    _draw_curves(left, levels)
    _draw_histogram(right, levels)
    return render_figure(figure)


def _draw_curves(axes: Axes, levels: Mapping[str, np.ndarray]) -> None:
    nominal = np.linspace(0, 1, 101)
    count = min(map(len, levels.values()))
    band = _SIGMAS * np.array([binomial_error(p, count) for p in nominal])
    axes.fill_between(
        nominal, nominal - band, nominal + band, color="0.9", label="calibrated, up to chance"
    )
    axes.plot(nominal, nominal, color="0.5", linewidth=0.9, linestyle="--")
    for color, (name, values) in zip(_COLORS, levels.items()):
        axes.plot(
            nominal, [coverage(values, p) for p in nominal], color=color, linewidth=1.6, label=name
        )
        axes.plot(
            NOMINAL,
            [coverage(values, p) for p in NOMINAL],
            color=color,
            marker="o",
            markersize=5,
            linestyle="none",
        )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="probability of the predicted region",
        ylabel="share of true values inside",
    )
    axes.set_xticks(
        [0, *NOMINAL, 1], ["0", *(f"{100 * p:.0f} %" for p in NOMINAL[:-1]), "", ""], fontsize=8
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")
    axes.text(
        0.97,
        0.04,
        "below the line: too sure\nabove: too modest",
        ha="right",
        fontsize=8,
        color="0.4",
    )


def _draw_histogram(axes: Axes, levels: Mapping[str, np.ndarray]) -> None:
    count = min(map(len, levels.values()))
    share = 1 / _BINS
    band = _SIGMAS * binomial_error(1 / _BINS, count)
    axes.axhspan((share - band) * _BINS, (share + band) * _BINS, color="0.9")
    axes.axhline(1, color="0.5", linewidth=0.9, linestyle="--")
    for color, (name, values) in zip(_COLORS, levels.items()):
        axes.hist(
            values,
            bins=_BINS,
            range=(0, 1),
            density=True,
            histtype="step",
            color=color,
            linewidth=1.6,
            label=name,
        )
    axes.set(
        xlim=(0, 1),
        xlabel="predicted probability of all that is likelier than the truth",
        ylabel="density of the objects",
    )
    axes.grid(alpha=0.3)
