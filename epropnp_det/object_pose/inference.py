"""From an image, its intrinsics and boxes to poses with distributions, in one call."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from epropnp_det.errors import UserError

from .estimator import ObjectPoseEstimator
from .patches import PatchSettings, cut_patches
from .structures import ObjectPoses


def estimate_poses(
    model: ObjectPoseEstimator,
    image: np.ndarray,
    camera_matrix: np.ndarray,
    boxes: np.ndarray,
    half_extent: np.ndarray,
    object_index: Sequence[int],
    mc_samples: int | None = None,
    seed: int = 0,
) -> ObjectPoses:
    """Poses of B objects of one image, on the CPU.

    Args:
        model: made by `init_model`; its config has the settings of the patches, `patch`.
        image: (H, W, 3), blue first, 0..255.
        camera_matrix: (3, 3) intrinsics, pixel centres at half integers.
        boxes: (B, 4) x, y, w, h [px].
        half_extent: (B, 3) [m], half sizes of the objects about their origins.
        object_index: (B,) places in the model's list of objects.
        mc_samples: number of weighted pose samples of each object; None for none.
        seed: seed of each object's random numbers.

    Raises:
        UserError: no boxes, a box without area or outside the image, or the config lacks `patch`.
    """
    settings = model.cfg.get("patch")
    if settings is None:
        raise UserError(f"config {model.cfg.filename} has no `patch`; add the size of its patches")
    check_boxes(boxes, image.shape[1], image.shape[0])
    img, geometry = cut_patches(
        image, camera_matrix, boxes, half_extent, object_index, PatchSettings(**settings)
    )
    device = next(model.parameters()).device
    generators = [torch.Generator(device).manual_seed(seed) for _ in img]
    poses = model.estimate(img.to(device), geometry.to(device), generators, mc_samples)
    return poses.to("cpu")


def check_boxes(boxes: np.ndarray, width: int, height: int) -> None:
    """Raises a UserError for the first box (x, y, w, h) [px] that shows no pixel of the image."""
    if len(boxes) == 0:
        raise UserError("no boxes; give at least one as x, y, w, h in pixels")
    for number, (x, y, w, h) in enumerate(np.asarray(boxes, dtype=float)):
        inside = x < width and y < height and x + w > 0 and y + h > 0
        if not (w > 0 and h > 0 and inside):
            raise UserError(
                f"box {number} ({x:g}, {y:g}, {w:g}, {h:g}) shows nothing of the image of "
                f"{width}x{height}; give x, y, w, h in pixels"
            )
