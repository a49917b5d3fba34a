"""The distribution of a heading, seen from above like the bird's-eye view: up is away from the
camera, right is right.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from epropnp_det.posterior.density import yaw_density

from .layout import render_figure
from .palette import class_rgb, unit_rgb

_ANGLES = np.linspace(-np.pi, np.pi, 361)
_TICKS = {0.0: "right", np.pi / 2: "away", np.pi: "left", 1.5 * np.pi: "towards"}


def draw_yaw_density(
    yaw: np.ndarray,
    weight: np.ndarray,
    *,
    best: float,
    label: int,
    truth: float | None = None,
    size: int = 260,
) -> np.ndarray:
    """Density of a yaw around a circle, its peak at the rim: (size, size, 3) uint8 BGR.

    The filled shape is the density, the solid line the predicted yaw, the dashed line the true one.

    Args:
        yaw: (S,) samples, rad.
        weight: (S,) weights of the samples.
        best: predicted yaw, rad.
        truth: true yaw, rad.
        label: class, for the colour.
    """
    figure = Figure(figsize=(size / 100, size / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0.13, 0.13, 0.74, 0.74), projection="polar")
    color = unit_rgb(class_rgb(label))
    density = yaw_density(yaw, weight, _ANGLES)
    # A heading (cos yaw, -sin yaw) in x to the right and z away from the camera: angles run the
    # other way round.
    axes.fill(
        -_ANGLES, density / density.max(), facecolor=(*color, 0.35), edgecolor=color, linewidth=1.4
    )
    axes.plot([-best, -best], [0, 1], color=color, linewidth=2.0)
    if truth is not None:
        axes.plot([-truth, -truth], [0, 1.08], color="0.25", linewidth=1.3, linestyle=(0, (3, 2)))
    axes.set(ylim=(0, 1.1), yticks=[], xticks=list(_TICKS))
    axes.set_xticklabels(_TICKS.values(), fontsize=7, color="0.4")
    axes.tick_params(axis="x", pad=-2)
    axes.grid(color="0.88", linewidth=0.7)
    axes.spines["polar"].set_color("0.75")
    return render_figure(figure)
