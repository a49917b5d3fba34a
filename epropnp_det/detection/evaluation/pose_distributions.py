"""Pose distributions of the objects in the images of a dataset, with the ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image
from epropnp_det.pnp import Camera

from ..boxes import Boxes3D, projected_boxes
from ..inference import detect
from .matching import match_boxes


@dataclass(frozen=True)
class DistributionSettings:
    """Which objects are compared with the ground truth.

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
class ImageResult:
    """Detections in an image, with samples of the poses, and the visible ground truth."""

    name: str
    pixels: np.ndarray  # (H, W, 3) uint8 BGR
    matrix: np.ndarray  # (3, 3) px
    detections: Boxes3D
    truth: Boxes3D
    match: Tensor  # (n,) index of the true box of each detection, -1 where it has none

    @property
    def title(self) -> str:
        """Camera and scene, from the folder and the name of the file."""
        path = Path(self.name)
        scene, _, _ = path.stem.partition("__")
        return f"{path.parent.name.replace('_', ' ').lower()}, {scene}"

    def above(self, score: float) -> ImageResult:
        """The result with the detections of at least this score."""
        keep = self.detections.require("score") >= score
        return replace(self, detections=self.detections[keep], match=self.match[keep])


def predict_distributions(
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
    chosen = range(len(dataset)) if indices is None else indices
    for index in tqdm(chosen, desc="predicting", unit="image", disable=None):
        info = dataset.data_infos[index]
        pixels = read_image(str(file_under(dataset.img_prefix, info["filename"])))
        matrix = np.array(info["cam_intrinsic"])
        found = detect(model, pixels, matrix, seed=index, mc_samples=settings.mc_samples)
        found = found[found.require("score") >= settings.score_threshold]
        truth = dataset.get_visible_boxes(index)
        height, width = pixels.shape[:2]
        match = match_detections(found, truth, matrix, (width, height), settings.min_iou)
        yield ImageResult(info["filename"], pixels, matrix, found, truth, match)


def match_detections(
    found: Boxes3D,
    truth: Boxes3D,
    matrix: np.ndarray,
    image_size: tuple[int, int],
    min_iou: float,
) -> Tensor:
    """(n,) index of the true box of each detection, -1 where it has none.

    Boxes are compared in the image, of `image_size` (width, height): errors of depth and heading
    hardly change their rectangles, so matching does not remove the pairs with the largest errors.

    Args:
        matrix: (3, 3) camera matrix, px.
        min_iou: least intersection over union of a pair.
    """
    camera = Camera.for_image(torch.from_numpy(matrix).float(), image_size)
    box, true_box = (
        projected_boxes(
            each.pose,
            each.size,
            camera[None].expand(len(each)),
            torch.tensor(image_size).float().expand(len(each), 2),
        )
        for each in (found, truth)
    )
    return match_boxes(box, found.label, found.require("score"), true_box, truth.label, min_iou)
