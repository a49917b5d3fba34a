"""From dense scores to queries, and from solved poses to detections."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from epropnp_det.pnp import PoseEstimate

from ..boxes import Boxes3D, projected_boxes
from ..image_geometry import ImageGeometry
from ..nms import bev_nms
from ..structures.dense import DensePoints
from ..structures.predictions import ObjectPredictions
from ..structures.queries import Queries, gather_queries


@dataclass(frozen=True)
class PostprocessSettings:
    """Which queries are solved, how boxes are scored, and which are kept.

    Args:
        score_threshold: least class score x centreness of a query.
        max_queries: at most so many per image.
        nms_2d: greatest IoU of the projected boxes of two detections of one class.
        nms_bev: greatest IoU of their footprints.
        max_boxes: at most so many per image.
        score_3d: the score of a box is its class score times its localisation score; False leaves
            the class score alone.
        mc_scoring_ratio: weight in [0, 1] of the Monte Carlo localisation score against the
            predicted 3D score. More than 0 draws `mc_samples` poses per object.
        flip_tta: use the mirrored image as well, see `flip_tta`.

    Raises:
        ValueError: a ratio outside [0, 1], or one without score_3d.
    """

    score_threshold: float = 0.04
    max_queries: int = 256
    nms_2d: float = 0.8
    nms_bev: float = 0.25
    max_boxes: int = 500
    score_3d: bool = True
    mc_scoring_ratio: float = 0.0
    flip_tta: bool = False

    def __post_init__(self):
        if not 0 <= self.mc_scoring_ratio <= 1:
            raise ValueError(
                f"mc_scoring_ratio must lie between 0 and 1, not {self.mc_scoring_ratio!r}"
            )
        if self.mc_scoring_ratio and not self.score_3d:
            raise ValueError("mc_scoring_ratio is a share of the 3D score: it needs score_3d=True")


def select_queries(
    points: DensePoints, batch: int, settings: PostprocessSettings
) -> tuple[Queries, Tensor]:
    """Queries at the pairs of `select_pairs`, M of them, and their (M,) class scores."""
    row, label, class_score = select_pairs(points, batch, settings)
    return gather_queries(points, row, label), class_score


def select_pairs(
    points: DensePoints, batch: int, settings: PostprocessSettings
) -> tuple[Tensor, Tensor, Tensor]:
    """The best (point, class) pairs of each image by class score x centreness.

    Returns:
        (M,) index of the point, image-major, (M,) class and (M,) class score.
    """
    count = min(settings.max_queries, points.cls_score.numel() // batch)
    rank, row, label, class_score = ranked_pairs(points, batch, count)
    kept = rank >= settings.score_threshold
    return row[kept], label[kept], class_score[kept]


def ranked_pairs(
    points: DensePoints, batch: int, count: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The `count` best (point, class) pairs of each image, best first.

    Returns:
        (B, count) class score x centreness, index of the point, image-major, class, and class
        score.
    """
    scores = points.cls_score.sigmoid().unflatten(0, (batch, -1))
    centerness = points.centerness.sigmoid().unflatten(0, (batch, -1))
    rank, pair = (scores * centerness[..., None]).flatten(1).topk(count, dim=1)
    classes = points.cls_score.shape[1]
    # Of the input's shape: an export to ONNX takes those of `unflatten` for constants.
    first = torch.arange(batch, device=pair.device)[:, None] * (points.cls_score.shape[0] // batch)
    class_score = scores.flatten(1).gather(1, pair)
    return rank, first + pair // classes, pair % classes, class_score


def candidates(
    predicted: ObjectPredictions,
    estimate: PoseEstimate,
    score: Tensor,
    label: Tensor,
    admitted: Tensor,
) -> Boxes3D:
    """M queries as detections; not sorted, duplicates and poses without a solution included.

    Args:
        predicted, estimate: of M queries.
        score, label: (M,).
        admitted: (classes, attributes) bool.
    """
    return Boxes3D(
        pose=estimate.pose,
        size=predicted.size,
        velocity=predicted.velocity,
        score=score,
        label=label,
        attribute=best_attribute(predicted.attribute, label, admitted),
        covariance=estimate.covariance,
    )


def best_of(
    found: Boxes3D, valid: Tensor, geometry: ImageGeometry, settings: PostprocessSettings
) -> Tensor:
    """Indices (n,) of the detections of an image that remain: the valid ones, without duplicates,
    best first.

    Args:
        found, valid: M detections of the image.
        geometry: the image, unbatched.
    """
    index = valid.nonzero()[:, 0]
    solved = found[index]
    camera = geometry.camera[None].expand(len(index))
    boxes = projected_boxes(
        solved.pose, solved.size, camera, geometry.image_size.expand(len(index), 2)
    )
    # torchvision's and not mmcv's, which fails without boxes.
    index = index[batched_nms(boxes, solved.score, solved.label, settings.nms_2d)]
    single = found[index]
    kept = bev_nms(
        single.pose, single.size, single.require("score"), single.label, settings.nms_bev
    )
    return index[kept[: settings.max_boxes]]


def best_attribute(logits: Tensor, label: Tensor, admitted: Tensor) -> Tensor:
    """(M, attributes) logits, (M,) class and (classes, attributes) bool -> (M,) the likeliest
    attribute that the class admits.
    """
    return logits.masked_fill(~admitted[label], -torch.inf).argmax(1)
