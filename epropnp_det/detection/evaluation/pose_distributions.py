"""Pose distributions of the objects in the images of a dataset, beside what is true."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from epropnp_det.pnp import Camera

from ..boxes import from_mmdet3d, projected_boxes
from ..data.transforms import read_image
from ..inference import detect
from ..reports.pictures import LEAST_VISIBILITY
from .matching import match_boxes

if TYPE_CHECKING:
    from ..structures.predictions import Detections


@dataclass(frozen=True)
class DistributionSettings:
    """What is looked at.

    Args:
        mc_samples: samples of each pose.
        score_threshold: detections with a lower score are left out.
        min_iou: least intersection over union of the projected boxes of a detection and a true box
            that belong together.
    """

    mc_samples: int = 512
    score_threshold: float = 0.2
    min_iou: float = 0.5


@dataclass(frozen=True)
class Truth:
    """True boxes of an image that can be seen, camera frame."""

    pose: Tensor  # (m, 4) x, y, z of the gravity centre, yaw; m, rad
    size: Tensor  # (m, 3) l, h, w, m
    label: Tensor  # (m,)

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class ImageResult:
    """What was found in an image, with samples of the poses, and what is there."""

    name: str
    pixels: np.ndarray  # (H, W, 3) uint8 BGR
    matrix: np.ndarray  # (3, 3) px
    detections: Detections
    truth: Truth
    match: Tensor  # (n,) index of the true box of each detection, -1 where it has none


def results_of(
    model: nn.Module,
    dataset: Any,
    settings: DistributionSettings,
    indices: Sequence[int] | None = None,
) -> Iterator[ImageResult]:
    """Results of the images of a dataset with annotations, of all where no `indices` are given.
    Image i is predicted with seed i.

    Raises:
        UserError: an image is missing or truncated, or the model cannot draw the samples.
    """
    for index in tqdm(
        range(len(dataset)) if indices is None else indices, desc="predicting", unit="image"
    ):
        info = dataset.data_infos[index]
        pixels, matrix = (
            read_image(str(Path(dataset.img_prefix, info["filename"]))),
            np.array(info["cam_intrinsic"]),
        )
        found = detect(model, pixels, matrix, seed=index, mc_samples=settings.mc_samples)
        found = found[found.score >= settings.score_threshold]
        truth = visible_truth(dataset.get_ann_info(index))
        yield ImageResult(
            info["filename"],
            pixels,
            matrix,
            found,
            truth,
            matched(found, truth, matrix, pixels.shape[1::-1], settings),
        )


def visible_truth(annotations: dict) -> Truth:
    """The boxes of `get_ann_info` of which at least 40 % can be seen."""
    pose, size, _ = from_mmdet3d(annotations["gt_bboxes_3d"])
    seen = torch.from_numpy(annotations["visibility"] >= LEAST_VISIBILITY)
    return Truth(pose[seen], size[seen], torch.from_numpy(annotations["gt_labels_3d"])[seen])


def matched(
    found: Detections,
    truth: Truth,
    matrix: np.ndarray,
    image_size: tuple[int, int],
    settings: DistributionSettings,
) -> Tensor:
    """(n,) index of the true box of each detection, -1 where it has none.

    Boxes are compared in the image, of `image_size` (width, height), where an error of the heading
    or of the depth hardly shows: to compare them in space would leave out the very pairs whose
    errors count.
    """
    camera, image_size = (
        Camera.for_image(torch.from_numpy(matrix).float(), image_size),
        torch.tensor(image_size).float(),
    )
    boxes = (
        projected_boxes(
            each.pose, each.size, camera[None].expand(len(each)), image_size.expand(len(each), 2)
        )
        for each in (found, truth)
    )
    box, true_box = boxes
    return match_boxes(box, found.label, found.score, true_box, truth.label, settings.min_iou)
