"""Boxes in which the targets of a test are to be found: those of the ground truth, the same with
random changes, or those of a detector.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import UserError

from .bop_dataset import (
    BopImage,
    BopInstance,
    BopTarget,
    find_target_image,
    read_targets,
    targets_of_images,
    wanted_instances,
)
from .detection_file import UNKNOWN_TIME, Detection, find_detection_faults, read_detections
from .object_models import ObjectModel


@dataclass(frozen=True)
class TargetBox:
    """A box in which a pose is to be found.

    Args:
        box: (4,) x, y, w, h [px].
        score: score of the pose in the result file; 1 for boxes of the ground truth.
        time: seconds of the detector for the whole image, or `UNKNOWN_TIME`.
        instance: the object in the box; None for boxes of a detector.
    """

    image: BopImage
    object_id: int
    box: np.ndarray
    score: float = 1.0
    time: float = UNKNOWN_TIME
    instance: BopInstance | None = None


def all_targets(
    root: Path, file: str | None, images: Sequence[BopImage], every: int
) -> list[BopTarget]:
    """The targets in each `every`-th image that has targets.

    Args:
        file: targets, below `root`; None for every instance that is visible enough.

    Raises:
        UserError: the file is missing or broken, or there is no target.
    """
    if not isinstance(every, int) or every < 1:
        raise UserError(f"data: every is {every!r}; it must be a whole number from 1")
    targets = targets_of_images(images) if file is None else read_targets(root / file)
    if not targets:
        raise UserError(f"{root / (file or '')} has no target; add one, or name another split")
    keys = sorted({(each.scene_id, each.image_id) for each in targets})
    chosen = set(keys[::every])
    return [each for each in targets if (each.scene_id, each.image_id) in chosen]


def targets_of_objects(
    targets: Sequence[BopTarget], models: Mapping[int, ObjectModel], objects: Sequence[int] | None
) -> list[BopTarget]:
    """The targets of the objects; all of them for None, which must have models.

    Raises:
        UserError: an object has no model, or no target is left.
    """
    if objects is None:
        missing = sorted({each.object_id for each in targets} - set(models))
        if missing:
            raise UserError(
                f"objects {missing} of the targets have no model; the models are "
                f"{sorted(models)}: add theirs, or list the others in `objects`"
            )
        return list(targets)
    chosen = [each for each in targets if each.object_id in objects]
    if not chosen:
        raise UserError(f"there is no target of the objects {list(objects)}; correct `objects`")
    return chosen


def true_boxes(
    targets: Sequence[BopTarget], images: Sequence[BopImage], jitter: float, seed: int
) -> Iterator[TargetBox]:
    """A box for each instance that is wanted.

    Raises:
        UserError: an instance has no box.
    """
    by_key = {(image.scene_id, image.image_id): image for image in images}
    for target in targets:
        image = find_target_image(target, by_key)
        for instance in wanted_instances(target, image):
            if instance.box is None:
                raise UserError(
                    f"{image.folder / 'scene_gt_info.json'}: image {image.image_id}, object "
                    f"{instance.index} has no 'bbox_obj'; write it, or give `detections`"
                )
            place = (image.scene_id, image.image_id, instance.index)
            rng = np.random.default_rng([seed, zlib.crc32(repr(place).encode())])
            box = jittered_box(instance.box, jitter, rng)
            yield TargetBox(image, target.object_id, box, instance=instance)


def jittered_box(box: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """A box x, y, w, h whose centre and size differ by up to `jitter` of the sides."""
    moved = rng.uniform(-jitter, jitter, 2)
    grown = 1 + rng.uniform(-jitter, jitter, 2)
    center = box[:2] + box[2:] * (0.5 + moved)
    return np.concatenate([center - box[2:] * grown / 2, box[2:] * grown])


def detected_boxes(
    targets: Sequence[BopTarget],
    images: Sequence[BopImage],
    file: str,
    models: Mapping[int, ObjectModel],
    candidates: int,
) -> list[TargetBox]:
    """The detections of highest score of each target, at most `candidates` for each instance that
    it counts.

    Raises:
        UserError: `candidates` is no whole number from 1, the file is missing or broken, or a
            detection fits no image or model.
    """
    if not isinstance(candidates, int) or candidates < 1:
        raise UserError(f"data: candidates is {candidates!r}; it must be a whole number from 1")
    detections = read_detections(file)
    faults = summarize(find_detection_faults(detections, images, models))
    if faults:
        raise UserError(f"{file}: {faults[0]}")
    by_key = {(image.scene_id, image.image_id): image for image in images}
    found: dict[tuple[int, int, int], list[Detection]] = {}
    for each in sorted(detections, key=lambda each: -each.score):
        found.setdefault((each.scene_id, each.image_id, each.object_id), []).append(each)
    boxes = []
    for target in targets:
        image = find_target_image(target, by_key)
        key = (target.scene_id, target.image_id, target.object_id)
        for each in found.get(key, [])[: candidates * target.count]:
            boxes.append(TargetBox(image, target.object_id, each.box, each.score, each.time))
    if not boxes:
        raise UserError(f"{file} has no detection of a target; check its scene_id and image_id")
    return boxes
