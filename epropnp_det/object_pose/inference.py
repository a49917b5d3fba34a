"""From an image, its intrinsics and boxes to poses with distributions, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from epropnp_det.errors import UserError
from epropnp_det.pnp import EProPnP6DoF, PnPProblem
from epropnp_det.pnp._records import Record

from .estimator import ObjectPoseEstimator
from .patches import PatchSettings, cut_patches
from .problem import problem_of_all_cells
from .structures import CorrespondenceMaps, ObjectModes, ObjectPoses, PatchGeometry


@dataclass(frozen=True)
class PoseEvidence(Record):
    """Poses of B objects, and the correspondences that they follow from.

    Args:
        poses: (B,).
        geometry: (B,) where the patches lie in the image.
        noc: (B, 3, h, w) normalised object coordinates of the cells.
        weight: (B, 2, h, w) [1/px], weights of x and y.
        modes: (B,) distinct poses that explain the correspondences.
    """

    poses: ObjectPoses
    geometry: PatchGeometry
    noc: Tensor
    weight: Tensor
    modes: ObjectModes


@torch.no_grad()
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
    problem, _, _ = pose_problem(model, image, camera_matrix, boxes, half_extent, object_index)
    return model.posteriors(problem, seeded(problem, seed), mc_samples).to("cpu")


@torch.no_grad()
def estimate_with_evidence(
    model: ObjectPoseEstimator,
    image: np.ndarray,
    camera_matrix: np.ndarray,
    boxes: np.ndarray,
    half_extent: np.ndarray,
    object_index: Sequence[int],
    mc_samples: int | None = None,
    seed: int = 0,
) -> PoseEvidence:
    """`estimate_poses` with the correspondences and all modes of each object."""
    problem, geometry, maps = pose_problem(
        model, image, camera_matrix, boxes, half_extent, object_index
    )
    poses = model.posteriors(problem, seeded(problem, seed), mc_samples)
    generators = seeded(problem, seed)
    modes = [
        model.layer.modes(problem[index : index + 1], generator=generator)
        for index, generator in enumerate(generators)
    ]
    weight = problem.points.w2d.mT.unflatten(-1, maps.noc.shape[-2:])
    joined = ObjectModes.cat([ObjectModes.of(each) for each in modes])
    return PoseEvidence(poses, geometry, maps.noc, weight, joined).to("cpu")


def pose_problem(
    model: ObjectPoseEstimator,
    image: np.ndarray,
    camera_matrix: np.ndarray,
    boxes: np.ndarray,
    half_extent: np.ndarray,
    object_index: Sequence[int],
) -> tuple[PnPProblem, PatchGeometry, CorrespondenceMaps]:
    """The problem (B,) that the network makes of boxes, where the patches lie, and their maps; on
    the model's device. Arguments and errors are those of `estimate_poses`.
    """
    settings = model.cfg.get("patch")
    if settings is None:
        raise UserError(f"config {model.cfg.filename} has no `patch`; add the size of its patches")
    check_boxes(boxes, image.shape[1], image.shape[0])
    img, geometry = cut_patches(
        image, camera_matrix, boxes, half_extent, object_index, PatchSettings(**settings)
    )
    device = next(model.parameters()).device
    geometry = geometry.to(device)
    maps = model.maps(img.to(device), geometry)
    return problem_of_all_cells(maps, geometry, model.points), geometry, maps


def seeded(problem: PnPProblem, seed: int) -> list[torch.Generator]:
    """A generator for each object of the problem (B,), all with the same seed."""
    return [torch.Generator(problem.device).manual_seed(seed) for _ in range(len(problem.delta))]


def check_samples(model: ObjectPoseEstimator, mc_samples: int) -> None:
    """Raises a UserError where the layer cannot draw so many samples of a pose."""
    try:
        EProPnP6DoF(**dict(vars(model.layer.settings), mc_samples=mc_samples))
    except ValueError as error:
        raise UserError(str(error)) from error


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
