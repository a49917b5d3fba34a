"""Object crops for pretraining a backbone on class and heading."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet3d.datasets.builder import DATASETS
from torch.utils.data import Dataset
from tqdm import tqdm

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image
from epropnp_det.errors import UserError

from ..data import annotation_file
from ..data.annotation_completion import complete
from ..data.object_limits import ObjectLimits
from ..data.symmetric_yaw import HALF_TURN_CLASSES, facing_away, observation_angle


@DATASETS.register_module()
class ObjectCropDataset(Dataset):
    """One item per annotated box: a square around the object, its class, and the heading as the
    camera sees it.

    All squares are cut when the dataset is made and kept in memory, `stored` x `stored` pixels
    each. An item is a `size` x `size` part of one at a random scale, mirrored half of the time, its
    brightness and contrast changed a little.

    * `img`: (3, size, size) float32, normalised RGB
    * `label`: class, an int; `heading`: observation angle in rad, a float, 0 for an object that
      faces away along the ray of sight,
      counted as yaw is (docs/reference/conventions.md); NaN where the class has none

    Args:
        data_root, ann_file: as of `NuScenesCameraDataset`.
        limits: settings of `FilterObjects`.
        mean, std: RGB.
        context: side of the square over the longer side of the object's rectangle.
        zoom: smallest and largest side, in px of an item, that the longer side of the rectangle
            gets.
        share: share of the images; 0.3 takes three of ten, evenly spread.
        classes: names in the order of the labels, other categories are left out; None takes the
            categories of the annotation file.
        half_turn_classes: names of classes that a half turn does not change: they count as facing
            away.
        classes_without_heading: names of classes that look the same from all sides.
        test_mode: what mmdet's builder passes on; items are made the same way.

    Raises:
        UserError: a file is missing or damaged, or no box is left.
    """

    def __init__(
        self,
        data_root: str,
        ann_file: str,
        limits: dict,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        size: int = 64,
        stored: int = 96,
        context: float = 1.5,
        zoom: tuple[float, float] = (20.0, 60.0),
        share: float = 1.0,
        classes: Sequence[str] | None = None,
        half_turn_classes: Sequence[str] = HALF_TURN_CLASSES,
        classes_without_heading: Sequence[str] = ("traffic_cone",),
        test_mode: bool = False,
    ):
        self.size = size
        self.context = context
        self.zoom = zoom
        self.mean = np.array(mean, np.float32)
        self.std = np.array(std, np.float32)
        data = complete(annotation_file.read_annotations(ann_file), data_root)
        names = {category["id"]: category["name"] for category in data["categories"]}
        self.CLASSES = tuple(names.values() if classes is None else classes)
        records = _select_records(data, self.CLASSES, ObjectLimits(**limits), share)
        if not records:
            raise UserError(f"no object of {ann_file} is within the limits {limits}; loosen them")
        kept = [record for _, group in records for record in group]
        found = [names[record["category_id"]] for record in kept]
        self.crops = _cut_squares(records, Path(data_root), context, stored)
        self.labels = np.array([self.CLASSES.index(name) for name in found])
        self.headings = observation_angles(
            kept, np.isin(found, half_turn_classes), np.isin(found, classes_without_heading)
        )

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: int) -> dict:
        mirrored = random.random() < 0.5
        image = self._part(self.crops[index], mirrored)
        image = (image[..., ::-1].astype(np.float32) - self.mean) / self.std * random.uniform(
            0.7, 1.3
        ) + random.uniform(-0.3, 0.3)
        heading = -self.headings[index] if mirrored else self.headings[index]
        return dict(
            img=DataContainer(
                torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), stack=True
            ),
            label=int(self.labels[index]),
            heading=float(heading),
        )

    def _part(self, crop: np.ndarray, mirrored: bool) -> np.ndarray:
        """The object at a random scale and place (size, size, 3); beyond the crop's border its edge
        goes on.
        """
        stored = crop.shape[0]
        side = math.exp(random.uniform(*np.log(self.zoom)))
        scale = side * self.context / stored
        free = abs(self.size - side) / 2
        x, y = (self.size / 2 + random.uniform(-free, free) for _ in range(2))
        sign = -1 if mirrored else 1
        matrix = np.array(
            [[sign * scale, 0, x - sign * scale * stored / 2], [0, scale, y - scale * stored / 2]]
        )
        return cv2.warpAffine(
            crop,
            matrix,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )


def square_around(image: np.ndarray, box: list[float], context: float, side: int) -> np.ndarray:
    """A square (side, side, 3) around a rectangle x, y, w, h; what lies outside the image is its
    border.
    """
    x, y, width, height = box
    scale = side / (context * max(width, height))
    matrix = np.array(
        [
            [scale, 0, side / 2 - scale * (x + width / 2)],
            [0, scale, side / 2 - scale * (y + height / 2)],
        ]
    )
    if scale < 0.5:  # averages first, where pixels would be skipped
        ratio = 2 ** math.floor(math.log2(1 / scale))
        image = cv2.resize(image, None, fx=1 / ratio, fy=1 / ratio, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= ratio
    return cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _select_records(
    data: dict, classes: Sequence[str], limits: ObjectLimits, share: float
) -> list[tuple[dict, list[dict]]]:
    """A share of the images with their annotations of these classes within the limits; images
    without any are left out.
    """
    names = {category["id"]: category["name"] for category in data["categories"]}
    records: dict[str, list[dict]] = {
        image["id"]: []
        for number, image in enumerate(data["images"])
        if int((number + 1) * share) > int(number * share)
    }
    for record in data["annotations"]:
        known = record["image_id"] in records and names[record["category_id"]] in classes
        if known and _is_admitted(record, limits):
            records[record["image_id"]].append(record)
    return [(image, records[image["id"]]) for image in data["images"] if records.get(image["id"])]


def _is_admitted(record: dict, limits: ObjectLimits) -> bool:
    x, y, width, height = record["bbox"]
    box = np.array([[x, y, x + width, y + height]])
    visibility = np.array([record["visibility"]])
    return bool(limits.admit(box, visibility, np.array([record["truncation"]]))[0])


def _cut_squares(
    records: list[tuple[dict, list[dict]]], root: Path, context: float, side: int
) -> np.ndarray:
    """(n, side, side, 3) uint8 BGR squares around the boxes, in their order."""
    crops = []
    for image, group in tqdm(records, desc=f"objects of {root}", unit="image", disable=None):
        pixels = read_image(str(file_under(root, image["file_name"])))
        crops += [square_around(pixels, record["bbox"], context, side) for record in group]
    return np.stack(crops)


def observation_angles(
    records: list[dict], half_turn: np.ndarray, without_heading: np.ndarray
) -> np.ndarray:
    """Observation angles (n,) of annotated boxes, rad.

    Args:
        records: n annotations.
        half_turn: (n,) bool, boxes that a half turn does not change: they face away.
        without_heading: (n,) bool, boxes whose angle is NaN.
    """
    boxes = torch.tensor([record["bbox_cam3d"] for record in records], dtype=torch.float32)
    x, z, yaw = boxes[:, [0, 2, 6]].T
    chosen = torch.where(torch.from_numpy(half_turn), facing_away(yaw, x, z), yaw)
    angle = observation_angle(chosen, x, z)
    return angle.masked_fill(torch.from_numpy(without_heading), math.nan).numpy()
