"""Bird's-eye view of boxes: the camera is at the bottom and faces up, metres on both axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Polygon, Wedge

from epropnp_det.posterior.density import resample

from .layout import render_figure
from .palette import class_rgb, unit_rgb
from .wireframe import FOOTPRINT

_RING_STEP = 10.0  # m between range rings
_TRUTH_RGB = (60, 60, 60)
_ARROW_SECONDS = 1.0  # a velocity arrow ends at the position of the object after this time
_MIN_SPEED = 0.3  # m/s; slower objects get no arrow
_ELLIPSE_SIGMAS = (1.0, 2.0)
_SAMPLES = 100  # drawn per object
_TAIL = 0.6  # m


def draw_birdseye(
    corners: np.ndarray,
    label: np.ndarray,
    *,
    velocity: np.ndarray | None = None,
    covariance: np.ndarray | None = None,
    sample_pose: np.ndarray | None = None,
    sample_weight: np.ndarray | None = None,
    true_corners: np.ndarray | None = None,
    true_velocity: np.ndarray | None = None,
    captions: Sequence[str] = (),
    matrix: np.ndarray | None = None,
    width: int | None = None,
    reach: float = 60.0,
    height: int = 900,
) -> np.ndarray:
    """The boxes from above: (height, 0.8 height, 3) uint8 BGR.

    Boxes are solid outlines with the heading side filled, with samples of their poses where those
    are given, else with ellipses of one and two standard deviations of the position where there are
    covariances; a sample is a dot with a tail towards its heading. Ground truth is dashed. Arrows
    are velocities, as long as the way of one second.

    Args:
        corners: (n, 8, 3) m, see `wireframe`.
        label: (n,) class, for the colour.
        velocity: (n, 2) vx, vz, m/s, NaN where unknown.
        covariance: (n, 4, 4) of (x, y, z, yaw).
        sample_pose: (n, S, 4) x, y, z, yaw.
        sample_weight: (n, S), NaN where a distribution is degenerate.
        true_corners: (m, 8, 3) of the ground truth.
        true_velocity: (m, 2) of the ground truth.
        captions: text next to each box; empty for none.
        matrix: (3, 3) camera matrix, px; with `width`, the view of the camera is shaded.
        width: width of the image, px.
        reach: metres ahead that are shown; 0.4 of it on either side.
    """
    figure = Figure(figsize=(0.8 * height / 100, height / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0.09, 0.06, 0.89, 0.92))
    _prepare(axes, reach)
    if matrix is not None and width is not None:
        _shade_view(axes, np.asarray(matrix), width, reach)
    if true_corners is not None:
        grey = [unit_rgb(_TRUTH_RGB)] * len(true_corners)
        _draw_outlines(axes, true_corners, grey, dashed=True)
        _draw_velocities(axes, true_corners, true_velocity, grey)
    colors = [unit_rgb(class_rgb(index)) for index in label]
    _draw_outlines(axes, corners, colors, dashed=False)
    for index, color in enumerate(colors):
        if sample_pose is not None and sample_weight is not None:
            _draw_samples(axes, sample_pose[index], sample_weight[index], color)
        elif covariance is not None:
            _draw_ellipses(axes, corners[index].mean(axis=0), covariance[index], color)
    _draw_velocities(axes, corners, velocity, colors)
    for text, place, color in zip(captions, corners.mean(axis=1)[:, [0, 2]], colors):
        axes.annotate(
            text,
            tuple(place),
            xytext=(5, 5),
            textcoords="offset points",
            fontsize=9,
            color=color,
            annotation_clip=True,
        )
    return render_figure(figure)


def covariance_ellipse(covariance: np.ndarray, sigmas: float) -> tuple[float, float, float]:
    """Diameters along and across the main axis [m] and the main axis' angle from x towards z [deg].

    Args:
        covariance: (4, 4) of (x, y, z, yaw); only the x-z block counts.
        sigmas: half diameters in standard deviations.
    """
    return plane_ellipse(covariance[np.ix_([0, 2], [0, 2])], sigmas)


def plane_ellipse(covariance: np.ndarray, sigmas: float) -> tuple[float, float, float]:
    """Diameters along and across the main axis, and its angle from the first axis towards the
    second [deg].

    Args:
        covariance: (2, 2).
        sigmas: half diameters in standard deviations.
    """
    values, vectors = np.linalg.eigh(covariance)
    minor, major = 2 * sigmas * np.sqrt(np.clip(values, 0.0, None))
    return float(major), float(minor), float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))


def _prepare(axes: Axes, reach: float) -> None:
    axes.set(xlim=(-0.4 * reach, 0.4 * reach), ylim=(-0.03 * reach, 0.97 * reach), aspect="equal")
    axes.set_xlabel("x [m]", fontsize=9, labelpad=1)
    axes.set_ylabel("z [m]", fontsize=9, labelpad=1)
    axes.tick_params(labelsize=8, length=2)
    for radius in np.arange(_RING_STEP, 1.2 * reach, _RING_STEP):
        axes.add_patch(
            Wedge(
                (0, 0), radius, 0, 180, width=0.0, edgecolor="0.82", facecolor="none", linewidth=0.8
            )
        )
    axes.plot(0, 0, marker="^", color="0.2", markersize=9)
    for side in axes.spines.values():
        side.set_color("0.7")


def _shade_view(axes: Axes, matrix: np.ndarray, width: int, reach: float) -> None:
    """The ground that the image shows: between the rays through its left and right border."""
    left, right = ((column - matrix[0, 2]) / matrix[0, 0] for column in (0, width))
    far = 2 * reach
    axes.add_patch(
        Polygon(
            [(0, 0), (left * far, far), (right * far, far)],
            facecolor="0.955",
            edgecolor="none",
            zorder=0,
        )
    )


def _draw_outlines(
    axes: Axes, corners: np.ndarray, colors: list[tuple[float, float, float]], dashed: bool
) -> None:
    line: dict[str, Any] = (
        dict(linestyle=(0, (3, 2)), linewidth=1.1, zorder=4)
        if dashed
        else dict(linestyle="-", linewidth=1.6, zorder=3)
    )
    for outline, color in zip(corners[:, list(FOOTPRINT)][..., [0, 2]], colors):
        nose = np.array([outline[0], outline[1], outline.mean(axis=0)])
        axes.add_patch(Polygon(outline, facecolor="none", edgecolor=color, **line))
        if not dashed:
            axes.add_patch(Polygon(outline, facecolor=(*color, 0.15), edgecolor="none", zorder=2))
        fill = (*color, 0.0 if dashed else 0.7)
        axes.add_patch(Polygon(nose, facecolor=fill, edgecolor=color, **{**line, "linewidth": 0.8}))


def _draw_samples(
    axes: Axes, pose: np.ndarray, weight: np.ndarray, color: tuple[float, float, float]
) -> None:
    """A dot for each of some samples drawn by weight, with a tail towards where it is heading."""
    if not np.isfinite(weight).all():
        return
    x, _, z, yaw = pose[resample(weight, _SAMPLES)].T
    axes.scatter(x, z, s=4, color=(*color, 0.35), linewidths=0, zorder=5)
    tails = (
        np.stack([x, x + _TAIL * np.cos(yaw), z, z - _TAIL * np.sin(yaw)], axis=1)
        .reshape(-1, 2, 2)
        .swapaxes(1, 2)
    )
    axes.add_collection(LineCollection(tails, colors=[(*color, 0.3)], linewidths=0.6, zorder=5))


def _draw_ellipses(
    axes: Axes, center: np.ndarray, covariance: np.ndarray, color: tuple[float, float, float]
) -> None:
    if not np.isfinite(covariance).all():
        return
    for sigmas in _ELLIPSE_SIGMAS:
        along, across, angle = covariance_ellipse(covariance, sigmas)
        look = dict(facecolor=(*color, 0.12), edgecolor=(*color, 0.8), linewidth=0.7, zorder=2)
        axes.add_patch(Ellipse((center[0], center[2]), along, across, angle=angle, **look))


def _draw_velocities(
    axes: Axes,
    corners: np.ndarray,
    velocity: np.ndarray | None,
    colors: list[tuple[float, float, float]],
) -> None:
    if velocity is None:
        return
    for start, speed, color in zip(corners.mean(axis=1)[:, [0, 2]], velocity, colors):
        if np.linalg.norm(speed) >= _MIN_SPEED:  # False for NaN
            arrow = dict(arrowstyle="->", color=color, linewidth=1.2)
            tip = start + _ARROW_SECONDS * speed
            axes.annotate(
                "", xy=tuple(tip), xytext=tuple(start), arrowprops=arrow, annotation_clip=True
            )
