"""From an image, its intrinsics and boxes to poses with distributions, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from epropnp_det.errors import UserError
from epropnp_det.pnp import EProPnP6DoF
from epropnp_det.pnp._records import Record

from .data.detection_file import box_outside
from .estimator import ObjectPoseEstimator
from .patches import ImageSource, PatchSettings, cut_patches
from .structures import ObjectModes, ObjectPoses, PatchGeometry, PatchProblems


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


@dataclass(frozen=True)
class ObjectsInImage:
    """B known objects of one image whose poses are wanted.

    Args:
        image: (H, W, 3), blue first, 0..255.
        camera_matrix: (3, 3) intrinsics, pixel centres at half integers.
        boxes: (B, 4) x, y, w, h [px].
        half_extent: (B, 3) [m], half sizes of the objects about their origins.
        object_index: (B,) places in the model's list of objects.

    Raises:
        UserError: no boxes, or a box without area or outside the image.
    """

    image: np.ndarray
    camera_matrix: np.ndarray
    boxes: np.ndarray
    half_extent: np.ndarray
    object_index: Sequence[int]

    def __post_init__(self) -> None:
        check_boxes(self.boxes, self.image.shape[1], self.image.shape[0])


@torch.no_grad()
def estimate_poses(
    model: ObjectPoseEstimator,
    objects: ObjectsInImage,
    mc_samples: int | None = None,
    seed: int = 0,
) -> ObjectPoses:
    """Poses of B objects of one image, on the CPU.

    Args:
        model: made by `init_model`; its config has the settings of the patches, `patch`.
        mc_samples: number of weighted pose samples of each object; None for none.
        seed: seed of each object's random numbers.

    Raises:
        UserError: the config lacks `patch`.
    """
    found = pose_problems(model, objects, seed)
    index = found.geometry.object_index
    generators = seeded(model, objects, seed)
    poses = model.posteriors(found.problem, generators, mc_samples, index)
    return replace(poses, consensus=found.consensus).to("cpu")


@torch.no_grad()
def estimate_with_evidence(
    model: ObjectPoseEstimator,
    objects: ObjectsInImage,
    mc_samples: int | None = None,
    seed: int = 0,
) -> PoseEvidence:
    """`estimate_poses` with the correspondences and all modes of each object."""
    found = pose_problems(model, objects, seed)
    problem = found.problem
    generators = seeded(model, objects, seed)
    poses = model.posteriors(problem, generators, mc_samples, found.geometry.object_index)
    tempered = problem if poses.temperature is None else problem.tempered(poses.temperature)
    modes = [
        model.layer.modes(tempered[index : index + 1], generator=generator)
        for index, generator in enumerate(seeded(model, objects, seed))
    ]
    cells = found.noc.shape[-2:]  # those of the first patch, where there are further views
    weight = problem.points.w2d[:, : cells.numel()].mT.unflatten(-1, cells)
    joined = ObjectModes.cat([ObjectModes.of(each) for each in modes])
    poses = replace(poses, consensus=found.consensus)
    return PoseEvidence(poses, found.geometry, found.noc, weight, joined).to("cpu")


def pose_problems(
    model: ObjectPoseEstimator, objects: ObjectsInImage, seed: int = 0
) -> PatchProblems:
    """The problems (B,) of the objects by the network, on the model's device. Errors are
    those of `estimate_poses`.
    """
    config = model.cfg.get("patch")
    if config is None:
        raise UserError(f"config {model.cfg.filename} has no `patch`; add the size of its patches")
    settings = PatchSettings(**config)
    img, geometry = cut_patches(
        objects.image,
        objects.camera_matrix,
        objects.boxes,
        objects.half_extent,
        objects.object_index,
        settings,
    )
    device = next(model.parameters()).device
    source = None
    if model.cuts_patches:
        one = ImageSource.of(objects.image, settings)
        source = one.map(lambda value: value.expand(len(img), *value.shape[1:]))
    generators = seeded(model, objects, seed)
    return model.correspond(img.to(device), geometry.to(device), source, generators)


def seeded(model: ObjectPoseEstimator, objects: ObjectsInImage, seed: int) -> list[torch.Generator]:
    """A generator for each object, all with the same seed."""
    device = next(model.parameters()).device
    return [torch.Generator(device).manual_seed(seed) for _ in objects.boxes]


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
    for number, box in enumerate(np.asarray(boxes, dtype=float)):
        if not np.isfinite(box).all() or box_outside(box, (width, height)):
            x, y, w, h = box
            raise UserError(
                f"box {number} ({x:g}, {y:g}, {w:g}, {h:g}) shows nothing of the image of "
                f"{width}x{height}; give x, y, w, h in pixels"
            )
