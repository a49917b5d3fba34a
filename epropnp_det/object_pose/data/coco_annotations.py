"""COCO annotations of a BOP split, for detectors: one file for all scenes, with boxes and masks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as rle
from tqdm import tqdm

from epropnp_det.engine.output_files import write_text
from epropnp_det.errors import UserError

from .bop_dataset import LEAST_VISIBLE, BopImage, BopInstance, read_mask, read_split, split_folders
from .object_models import read_models_info
from .rendered_crops import class_names


def coco_file(root: str | Path, split: str) -> Path:
    """Where the annotations of a split are written."""
    return Path(root) / f"coco_{split}.json"


def write_coco_files(
    root: str | Path, splits: Sequence[str] = (), overwrite: bool = False
) -> Iterator[tuple[Path, bool]]:
    """Writes a file for each split, those with ground truth for none named; yields its path and
    whether it was written now. A file that is there stays.

    Raises:
        UserError: no split with ground truth, or a missing or broken file.
    """
    folders = split_folders(root)
    found = [each.name for each in folders if next(each.glob("*/scene_gt.json"), None)]
    if not (splits or found):
        raise UserError(f"{root} has no split with scene_gt.json; name a BOP data set")
    objects = sorted(read_models_info(Path(root) / "models"))
    for split in splits or found:
        path = coco_file(root, split)
        if path.exists() and not overwrite:
            yield path, False
            continue
        content = coco_annotations(Path(root), read_split(root, split), objects)
        write_text(path, json.dumps(content))
        yield path, True


def coco_annotations(
    root: Path, images: Sequence[BopImage], objects: Sequence[int]
) -> dict[str, list[dict[str, Any]]]:
    """The content of a file: images with their `scene_id` and `im_id`, categories with BOP's
    numbers, annotations.

    Boxes are those of the whole silhouettes, as far as the image shows them; masks those of the
    visible parts. A scene without masks has boxes alone. Objects of which less than a tenth is
    visible are regions to ignore (`iscrowd`): mmdet would take those marked `ignore` for
    background.

    Raises:
        UserError: an object without a model, a missing or broken mask, or neither masks nor boxes.
    """
    listed = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(tqdm(images, desc="annotations", unit="image", disable=None)):
        width, height = image.size
        listed.append(
            dict(
                id=number,
                file_name=str(image.path.relative_to(root)),
                width=width,
                height=height,
                scene_id=image.scene_id,
                im_id=image.image_id,
            )
        )
        for instance in image.instances:
            found = _annotation(image, instance, objects)
            if found is not None:
                annotations.append(dict(found, id=len(annotations) + 1, image_id=number))
    names = zip(objects, class_names(objects))
    categories = [dict(id=object_id, name=name) for object_id, name in names]
    return dict(images=listed, categories=categories, annotations=annotations)


def _annotation(
    image: BopImage, instance: BopInstance, objects: Sequence[int]
) -> Mapping[str, Any] | None:
    """The entry of an object without its numbers; None for one that the image does not show."""
    if instance.object_id not in objects:
        raise UserError(
            f"{image.folder / 'scene_gt.json'}: image {image.image_id} has object "
            f"{instance.object_id}, and the models are {list(objects)}: add its model"
        )
    mask = read_mask(image, instance.index, visible=True) if image.has_masks else None
    box = _box(image, instance, mask)
    low = np.clip(box[:2], 0, image.size)
    side = np.clip(box[:2] + box[2:], 0, image.size) - low
    if side.min() <= 0 or (mask is not None and not mask.any()):
        return None
    visible = 1.0 if instance.visibility is None else instance.visibility
    found = dict(
        category_id=instance.object_id,
        bbox=[float(value) for value in (*low, *side)],
        area=float(side.prod()),
        iscrowd=int(visible < LEAST_VISIBLE),
    )
    if mask is None:
        return found
    encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = encoded["counts"].decode("ascii")
    return dict(
        found, area=float(mask.sum()), segmentation=dict(size=list(mask.shape), counts=counts)
    )


def _box(image: BopImage, instance: BopInstance, mask: np.ndarray | None) -> np.ndarray:
    """(4,) x, y, width, height [px] of the whole silhouette, or else of the visible part."""
    if instance.box is not None:
        return instance.box
    if mask is None:
        raise UserError(
            f"{image.folder} has neither masks (mask_visib) nor boxes (bbox_obj in "
            "scene_gt_info.json): add one of them"
        )
    return np.array(cv2.boundingRect(mask.astype(np.uint8)))  # zeros for an empty mask
