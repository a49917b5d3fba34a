"""Reasons to doubt that a camera matrix belongs to an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from .value import Intrinsics

MAX_PRINCIPAL_POINT_OFFSET = 0.2  # from the centre, in image widths and heights
MIN_FOCAL_WIDTHS = 0.3
MAX_FOCAL_WIDTHS = 5.0


def camera_faults(intrinsics: Any, size: tuple[int, int]) -> list[str]:
    """Reasons to doubt that intrinsics belong to an image of this size (width, height) in pixels;
    one line each.

    Args:
        intrinsics: `Intrinsics`, or what `camera_matrix` takes.
    """
    return list(doubts_by_rule(Intrinsics.of(intrinsics), size).values())


def doubts_by_rule(camera: Intrinsics, size: tuple[int, int]) -> dict[str, str]:
    """The lines of `camera_faults`, by the rule that is broken: resolution, principal point or
    focal length.
    """
    width, height = size
    matrix = camera.matrix
    doubts = {}
    if camera.size is not None and camera.size != size:
        doubts["resolution"] = (
            f"the camera was calibrated for {camera.size[0]}x{camera.size[1]}, but the image is "
            f"{width}x{height}; give the camera matrix of this resolution"
        )
    offset = matrix[:2, 2] / size - 0.5
    if np.abs(offset).max() > MAX_PRINCIPAL_POINT_OFFSET:
        doubts["principal point"] = (
            f"principal point ({matrix[0, 2]:g}, {matrix[1, 2]:g}) is far from the centre of the "
            f"{width}x{height} image; give the camera matrix of this resolution"
        )
    if not MIN_FOCAL_WIDTHS <= matrix[0, 0] / width <= MAX_FOCAL_WIDTHS:
        doubts["focal length"] = (
            f"focal length {matrix[0, 0]:g} px is unusual for the {width}x{height} image; give the "
            "camera matrix of this resolution, in pixels"
        )
    return doubts
