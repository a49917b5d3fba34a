"""What a BOP data set must hold beyond its form: models for all objects, images for all entries,
and poses, boxes and masks that agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.file_checks import Fault
from epropnp_det.errors import UserError

from ..rigid_pose import project
from .bop_dataset import (
    TARGETS_FILE,
    BopImage,
    BopInstance,
    BopTarget,
    read_mask,
    read_split,
    read_targets,
    split_folders,
    target_truths,
)
from .detection_file import box_outside
from .mesh_measures import convex_corners
from .object_models import (
    INFO_FILE,
    METRES,
    diameter_fault,
    model_path,
    open_fault,
    origin_fault,
    read_mesh,
    read_models_info,
    unit_fault,
)

# Intersection over union of the projected model's box and the annotated one.
LEAST_OVERLAP = 0.7
# px; boxes smaller than this are decided by rounding.
_SLIVER = 12.0
# Official data sets hold rotations that are rounded by 0.002.
_ORTHONORMAL = 1e-2
# m; a pose as near as this in mm has been written in metres.
_NEAREST = 0.01
_VISIBLE = 0.1


@dataclass(frozen=True)
class BopCounts:
    """What a data set holds, by split: scenes, images, objects shown, masks, and the targets."""

    models: int
    splits: Mapping[str, Mapping[str, int]]
    targets: int

    def lines(self) -> list[str]:
        """One line for the models, each split and the targets."""
        splits = [
            f"{name}: " + ", ".join(f"{count} {what}" for what, count in counts.items())
            for name, counts in self.splits.items()
        ]
        return [f"models: {self.models}", *splits, f"targets: {self.targets}"]


def check_dataset(root: str | Path) -> tuple[BopCounts, list[Fault]]:
    """Counts what a data set holds, and finds its mistakes.

    Raises:
        UserError: the folder is no BOP data set, or a file has another form.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"{root} is no folder; name the folder of a BOP data set")
    splits = split_folders(root)
    if not splits:
        raise UserError(
            f"{root} holds no split with scenes (SPLIT/000000/scene_camera.json); "
            "name the folder that holds test or train_pbr"
        )
    faults, corners = check_models(root / "models")
    counts = {}
    images_of = {}
    for split in splits:
        images = images_of[split.name] = read_split(root, split.name)
        counts[split.name] = _count(images)
        for image in tqdm(images, desc=split.name, unit="image", disable=None):
            faults.extend(find_image_faults(image, corners))
    targets = read_targets(root / TARGETS_FILE) if (root / TARGETS_FILE).is_file() else []
    tests = [image for name, images in images_of.items() if "test" in name for image in images]
    faults.extend(find_target_faults(targets, tests))
    return BopCounts(len(corners), counts, len(targets)), faults


def check_models(folder: Path) -> tuple[list[Fault], dict[int, np.ndarray]]:
    """The mistakes of a folder of models, and the corners (M, 3) [m] of each model's hull.

    Raises:
        UserError: the folder or its `models_info.json` is missing or has another form.
    """
    faults = []
    corners = {}
    for object_id, info in read_models_info(folder).items():
        path = model_path(folder, object_id)
        try:
            mesh = read_mesh(path)
        except UserError as error:
            faults.append(Fault("every object has its mesh", f"object {object_id}", str(error)))
            continue
        corners[object_id] = convex_corners(np.asarray(mesh.vertices)) * METRES
        measures = unit_fault(mesh) or diameter_fault(mesh, info)
        for fault in (measures, open_fault(mesh), origin_fault(mesh)):
            if fault:
                faults.append(Fault("a model is a closed mesh in mm", path.name, fault))
    return faults, corners


def find_image_faults(image: BopImage, corners: Mapping[int, np.ndarray]) -> Iterator[Fault]:
    """The mistakes of one image: its file, camera, poses, boxes and masks.

    Args:
        corners: corners of the models' hulls by object id, (M, 3) [m].
    """
    where = f"scene {image.scene_id}, image {image.image_id}"
    try:
        size = image.size
    except UserError as error:
        yield Fault("every image is there and can be read", where, str(error))
        return
    matrix = image.camera_matrix
    in_image = (matrix[:2, 2] > 0).all() and (matrix[:2, 2] < size).all()
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0 and in_image):
        rule = "cam_K has positive focal lengths and its principal point in the image; correct it"
        yield Fault(rule, where, str(matrix.tolist()))
    for instance in image.instances:
        place = f"{where}, object {instance.index} (obj_id {instance.object_id})"
        for rule, found in _pose_faults(image, instance, corners):
            yield Fault(rule, place, found)
        for rule, found in _box_faults(image, instance, size):
            yield Fault(rule, place, found)
        for visible in (False, True):
            if image.mask_path(instance.index, visible).parent.is_dir():
                yield from _mask_faults(image, instance, visible, place)


def find_target_faults(targets: Sequence[BopTarget], images: Sequence[BopImage]) -> Iterator[Fault]:
    """Targets without their image, or with more instances than it shows."""
    for target in targets:
        try:
            target_truths([target], images)
        except UserError as error:
            where = f"scene {target.scene_id}, image {target.image_id}"
            yield Fault(f"every target of {TARGETS_FILE} is in its split", where, str(error))


def _pose_faults(
    image: BopImage, instance: BopInstance, corners: Mapping[int, np.ndarray]
) -> Iterator[tuple[str, str]]:
    """Pairs of a rule with its remedy and what breaks it."""
    rotation = instance.pose.rotation
    if (
        np.abs(rotation @ rotation.T - np.eye(3)).max() > _ORTHONORMAL
        or np.linalg.det(rotation) < 0
    ):
        yield "cam_R_m2c is a rotation, row by row; correct it", str(rotation.tolist())
        return
    place = instance.pose.translation
    if np.abs(place).max() < _NEAREST:
        yield "cam_t_m2c is in mm; scale it by 1000", f"{(place / METRES).tolist()}"
        return
    if instance.object_id not in corners:
        remedy = f"add its mesh and its entry of {INFO_FILE}"
        yield f"every obj_id has a model; {remedy}", f"obj_id {instance.object_id}"
        return
    points = instance.pose.apply(corners[instance.object_id])
    if points[:, 2].min() <= 0:
        yield "an object lies in front of its camera; correct cam_t_m2c", f"{place.tolist()} m"
        return
    if instance.box is None or instance.box[2:].min() < _SLIVER:
        return
    pixels = project(points, image.camera_matrix)
    shown = np.concatenate([pixels.min(axis=0), np.ptp(pixels, axis=0)])
    overlap = _overlap(shown, instance.box)
    if overlap < LEAST_OVERLAP:
        rule = "bbox_obj is the box of the projected model; correct pose, cam_K or bbox_obj"
        yield rule, f"they overlap by {overlap:.2f}"


def _box_faults(
    image: BopImage, instance: BopInstance, size: tuple[int, int]
) -> Iterator[tuple[str, str]]:
    seen = instance.visibility is None or instance.visibility >= _VISIBLE
    if seen and instance.box is not None and box_outside(instance.box, size):
        rule = "bbox_obj of a visible object overlaps the image; correct it"
        yield rule, f"{instance.box.tolist()} in {size[0]}x{size[1]}"
    box = instance.visible_box
    if box is not None and (box[:2].min() < 0 or (box[:2] + box[2:] > size).any()):
        rule = "bbox_visib lies in the image; correct it"
        yield rule, f"{box.tolist()} in {size[0]}x{size[1]}"
    if instance.visibility is not None and not 0 <= instance.visibility <= 1:
        yield "visib_fract is a share from 0 to 1; correct it", str(instance.visibility)


def _mask_faults(
    image: BopImage, instance: BopInstance, visible: bool, place: str
) -> Iterator[Fault]:
    try:
        read_mask(image, instance.index, visible)
    except UserError as error:
        yield Fault("every object has its masks, of the image's size", place, str(error))


def _count(images: Sequence[BopImage]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    counts["scenes"] = len({image.scene_id for image in images})
    counts["images"] = len(images)
    counts["objects shown"] = sum(len(image.instances) for image in images)
    counts["masks"] = sum(
        image.mask_path(instance.index).is_file()
        for image in images
        for instance in image.instances
    )
    return dict(counts)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    common = float(np.prod(np.clip(high - low, 0, None)))
    return common / (float(np.prod(first[2:])) + float(np.prod(second[2:])) - common)
