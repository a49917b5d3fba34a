"""Boxes found by a detector, in the BOP challenge's JSON form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from epropnp_det.engine.file_checks import Fault
from epropnp_det.engine.json_files import write_json
from epropnp_det.errors import UserError

from .bop_dataset import IMAGE_FOLDERS, MAX_OBJECTS_PER_IMAGE, BopImage, read_list
from .bop_forms import DETECTION, is_number

UNKNOWN_TIME = -1.0
_REMEDY = (
    "an entry has scene_id, image_id, category_id, bbox [x, y, w, h] in pixels, score and time"
)


@dataclass(frozen=True)
class Detection:
    """A box of an object in an image.

    Args:
        box: (4,) x, y, w, h [px] from the image's corner (0, 0).
        time: seconds of the detector for the whole image, or `UNKNOWN_TIME`.
    """

    scene_id: int
    image_id: int
    object_id: int
    box: np.ndarray
    score: float
    time: float = UNKNOWN_TIME


def read_detections(path: str | Path) -> list[Detection]:
    """Reads a file of detections.

    Raises:
        UserError: the file is missing or has another form; the line names the entry.
    """
    entries = enumerate(read_list(path))
    return _not_crowded(
        [_detection(each, f"{path}: entry {index}") for index, each in entries], path
    )


def read_boxes(path: str | Path, image: Path) -> list[Detection]:
    """The boxes of one image: of a file of detections, those with the numbers of the image; a plain
    list of boxes may leave out scene, image and score, and may write `obj_id`.

    Raises:
        UserError: the file is missing or has another form, has boxes of several images and the
            path of the image has no numbers, or has none of this image.
    """
    entries = read_list(path)
    found = [
        _detection(_completed(entry), f"{path}: entry {index}")
        for index, entry in enumerate(entries)
    ]
    numbers = [_numbers_in(entry) for entry in entries]
    listed = set(numbers) - {None}
    own = numbers_of_image(image)
    if len(listed) > 1 and own is None:
        raise UserError(
            f"{path} has boxes of {len(listed)} images, and {image} is not in a BOP scene "
            "(SCENE/rgb/NUMBER.png); give a file with the boxes of this image alone"
        )
    chosen = [each for each, place in zip(found, numbers) if own is None or place in (own, None)]
    if not chosen:
        raise UserError(f"{path} has no box of {image}; add one")
    return _not_crowded(chosen, path)


def numbers_of_image(image: Path) -> tuple[int, int] | None:
    """Scene and number of an image in BOP's layout, SCENE/rgb/NUMBER.png; None elsewhere."""
    *_, scene, folder, _ = ("", "", *image.absolute().parts)
    if folder in IMAGE_FOLDERS and is_number(scene) and is_number(image.stem):
        return int(scene), int(image.stem)
    return None


def _numbers_in(entry: Mapping[str, Any]) -> tuple[int, int] | None:
    """Scene and image of an entry; None where it has none."""
    if not {"scene_id", "image_id"} <= entry.keys():
        return None
    return entry["scene_id"], entry["image_id"]


def _completed(entry: Any) -> Any:
    """An entry with everything that a box alone does not have."""
    if not isinstance(entry, dict):
        return entry
    defaults = dict(scene_id=0, image_id=0, category_id=entry.get("obj_id"), score=1.0)
    return defaults | entry


def write_detections(detections: Iterable[Detection], path: str | Path) -> None:
    """Writes a file of detections."""
    write_json(Path(path), [as_entry(each) for each in detections])


def as_entry(detection: Detection) -> dict[str, Any]:
    """The entry of a detection in a file."""
    return dict(
        scene_id=detection.scene_id,
        image_id=detection.image_id,
        category_id=detection.object_id,
        bbox=[float(value) for value in detection.box],
        score=float(detection.score),
        time=float(detection.time),
    )


def find_detection_faults(
    detections: Sequence[Detection], images: Sequence[BopImage], object_ids: Iterable[int]
) -> Iterator[Fault]:
    """Detections that fit no image or no model: the rule, the place and the value at fault."""
    by_key = {(image.scene_id, image.image_id): image for image in images}
    known = set(object_ids)
    for index, each in enumerate(detections):
        where = f"entry {index}"
        image = by_key.get((each.scene_id, each.image_id))
        if image is None:
            found = f"scene {each.scene_id}, image {each.image_id}"
            yield Fault("every detection has its image; drop the others", where, found)
            continue
        if each.object_id not in known:
            rule = "every category_id has a model; add the model or drop the detection"
            yield Fault(rule, where, str(each.object_id))
        if box_outside(each.box, image.size):
            rule = f"a box overlaps its image of {image.size[0]}x{image.size[1]}; correct bbox"
            yield Fault(rule, where, str(each.box.tolist()))


def box_outside(box: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether a box x, y, w, h has nothing in common with an image of (width, height)."""
    low = np.maximum(box[:2], 0)
    high = np.minimum(box[:2] + box[2:], size)
    return bool((high <= low).any())


def _detection(entry: Any, where: str) -> Detection:
    DETECTION.require(entry, where, _REMEDY)
    box = np.array(entry["bbox"], dtype=np.float64)
    ids = (entry["scene_id"], entry["image_id"], entry["category_id"])
    return Detection(*ids, box, float(entry["score"]), float(entry.get("time", UNKNOWN_TIME)))


def _not_crowded(detections: list[Detection], path: str | Path) -> list[Detection]:
    """The detections, if no image has too many."""
    counts = Counter((each.scene_id, each.image_id) for each in detections)
    for (scene, image), count in counts.items():
        if count > MAX_OBJECTS_PER_IMAGE:
            raise UserError(
                f"{path}: image {image} of scene {scene} has {count} boxes; at most "
                f"{MAX_OBJECTS_PER_IMAGE} are read"
            )
    return detections
