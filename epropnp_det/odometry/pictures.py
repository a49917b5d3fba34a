"""Drives from above with the ellipses of their drift, and the errors of the position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from scipy.stats import chi2

from epropnp_det.drawing.birdseye import plane_ellipse

from .accuracy import Run, deviation

# Magnification of the ellipses, which are centimetres on a drive of tens of metres.
MAGNIFIED = 30
# Of Okabe and Ito: distinct without red and green.
COLORS = ("#0072B2", "#009E73", "#D55E00")


def draw_drives(runs: Sequence[Run]) -> Figure:
    """A column for each scene and share of outliers: the drive from above, and below it the error
    of the position with the predicted standard deviation of the first of its up to three solvers.
    """
    drives = list(dict.fromkeys((run.outliers, run.scene) for run in runs))
    figure = Figure(figsize=(4.5 * len(drives), 7), layout="constrained")
    axes = figure.subplots(2, len(drives), squeeze=False)
    for column, (outliers, scene) in enumerate(drives):
        own = [run for run in runs if (run.outliers, run.scene) == (outliers, scene)]
        _draw_from_above(axes[0, column], own)
        _draw_errors(axes[1, column], own)
        axes[0, column].set_title(f"{scene}, {outliers:.0%} outliers")
    return figure


def _draw_from_above(axes: Axes, runs: Sequence[Run]) -> None:
    """x right and z ahead of the first camera [m]; ellipses of 95 %, magnified."""
    truth = runs[0].truth
    axes.plot(truth[:, 0, 3], truth[:, 2, 3], color="black", lw=4, alpha=0.25, label="true")
    for run, color in zip(runs, COLORS):
        poses = run.trajectory.poses
        axes.plot(poses[:, 0, 3], poses[:, 2, 3], color=color, lw=1, label=run.solver)
    first = runs[0]
    sigmas = MAGNIFIED * float(np.sqrt(chi2.ppf(0.95, 2)))
    step = max(len(truth) // 8, 1)
    for pose, covariance in list(zip(first.trajectory.poses, first.trajectory.covariance))[::step]:
        along, across, angle = plane_ellipse(covariance[np.ix_((0, 2), (0, 2))], sigmas)
        place = pose[[0, 2], 3]
        axes.add_patch(Ellipse(place, along, across, angle=angle, fill=False, color=COLORS[0]))
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"x [m]; 95 % ellipses, {MAGNIFIED} times their size")
    axes.set_ylabel("z [m]")
    axes.legend(fontsize=8)


def _draw_errors(axes: Axes, runs: Sequence[Run]) -> None:
    for run, color in zip(runs, COLORS):
        error = np.linalg.norm(deviation(run.trajectory.poses, run.truth)[:, :3], axis=1)
        axes.plot(100 * error, color=color, label=run.solver)
    variance = np.trace(runs[0].trajectory.covariance[:, :3, :3], axis1=1, axis2=2)
    axes.plot(100 * np.sqrt(variance), "--", color=COLORS[0], label=f"predicted, {runs[0].solver}")
    axes.set_xlabel("frame")
    axes.set_ylabel("error of the position [cm]")
    axes.legend(fontsize=8)
