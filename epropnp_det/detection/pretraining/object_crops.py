"""Small pictures of single objects, to pretrain a backbone on what a detector from scratch learns
last: which way an object faces.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import cv2
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmdet3d.datasets.builder import DATASETS
from torch.utils.data import Dataset
from tqdm import tqdm

from epropnp_det.errors import UserError

from ..data import annotation_file
from ..data.nuscenes_classes import CLASSES
from ..data.symmetric_yaw import HALF_TURN_CLASSES, facing_away, observation_angle
from ..data.transforms import ObjectLimits, read_image

# Cones look the same from all sides. Barriers do from two: they count as facing away.
WITHOUT_HEADING = ("traffic_cone",)


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
        limits: of `FilterObjects`.
        mean, std: RGB.
        context: side of the square over the longer side of the object's rectangle.
        zoom: smallest and largest side, in px of an item, that the longer side of the rectangle
            gets.
        share: of the images; 0.3 takes three of ten, evenly spread.
        test_mode: what mmdet's builder passes on; items are made the same way.

    Raises:
        UserError: a file is missing or damaged, or no box is left.
    """

    CLASSES = CLASSES

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
        test_mode: bool = False,
    ):
        self.size, self.context, self.zoom = size, context, zoom
        self.mean, self.std = np.array(mean, np.float32), np.array(std, np.float32)
        self.crops, self.labels, self.headings = _cut(
            Path(data_root), ann_file, ObjectLimits(**limits), stored, context, share
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


def _cut(
    root: Path, ann_file: str, limits: ObjectLimits, side: int, context: float, share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares (n, side, side, 3), labels (n,), headings (n,)."""
    data = annotation_file.read_annotations(ann_file)
    names = {category["id"]: category["name"] for category in data["categories"]}
    chosen = [
        image
        for number, image in enumerate(data["images"])
        if int((number + 1) * share) > int(number * share)
    ]
    records: dict[str, list[dict]] = {image["id"]: [] for image in chosen}
    for record in data["annotations"]:
        if (
            record["image_id"] in records
            and names[record["category_id"]] in CLASSES
            and _admitted(record, limits)
        ):
            records[record["image_id"]].append(record)
    crops, kept = [], []
    for image in tqdm(chosen, desc=f"objects of {root}", unit="image"):
        if records[image["id"]]:
            pixels = read_image(str(root / image["file_name"]))
            crops += [
                square_around(pixels, record["bbox"], context, side)
                for record in records[image["id"]]
            ]
            kept += records[image["id"]]
    if not crops:
        raise UserError(f"no object of {ann_file} is within the limits {limits}; loosen them")
    found = [names[record["category_id"]] for record in kept]
    return (
        np.stack(crops),
        np.array([CLASSES.index(name) for name in found]),
        _headings(kept, found),
    )


def _admitted(record: dict, limits: ObjectLimits) -> bool:
    x, y, width, height = record["bbox"]
    box = np.array([[x, y, x + width, y + height]])
    return bool(
        limits.admit(box, np.array([record["visibility"]]), np.array([record["truncation"]]))[0]
    )


def _headings(records: list[dict], names: list[str]) -> np.ndarray:
    """Observation angles (n,) of the boxes, rad."""
    x, z, yaw = torch.tensor([record["bbox_cam3d"] for record in records], dtype=torch.float32)[
        :, [0, 2, 6]
    ].T
    chosen = torch.where(
        torch.from_numpy(np.isin(names, HALF_TURN_CLASSES)), facing_away(yaw, x, z), yaw
    )
    unknown = torch.from_numpy(np.isin(names, WITHOUT_HEADING))
    return observation_angle(chosen, x, z).masked_fill(unknown, math.nan).numpy()
