"""Pictures of detections: the image with its boxes, and the scene from above beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from tqdm import tqdm

from epropnp_det.drawing import background
from epropnp_det.drawing.birdseye import draw_birdseye
from epropnp_det.drawing.boxes import DrawnBoxes, draw_boxes
from epropnp_det.drawing.layout import side_by_side

from ..data.nuscenes_classes import CLASSES

if TYPE_CHECKING:
    from ..structures.predictions import Detections

# nuScenes token of boxes that at least 40 % of can be seen: those that training uses, and so those
# worth looking for.
LEAST_VISIBILITY = 2


def picture(
    image: np.ndarray,
    matrix: np.ndarray,
    boxes: DrawnBoxes,
    truth: DrawnBoxes | None = None,
    background_kind: str = "image",
) -> np.ndarray:
    """Image (H, W, 3) uint8 BGR with boxes, and beside it the scene from above, (H, W + 0.8 H,
    3).
    """
    drawn = draw_boxes(background(image, background_kind), matrix, boxes, names=CLASSES)
    if truth is not None:
        drawn = draw_boxes(drawn, matrix, truth, dashed=True)
    height, width = image.shape[:2]
    return side_by_side(
        drawn, draw_birdseye(boxes, truth, matrix=matrix, width=width, height=max(height, 600))
    )


def drawn_boxes(detections: Detections, score_threshold: float) -> DrawnBoxes:
    """The detections at or above a score, as arrays."""
    found = DrawnBoxes(
        pose=detections.pose.numpy(),
        size=detections.size.numpy(),
        label=detections.label.numpy(),
        score=detections.score.numpy(),
        velocity=detections.velocity.numpy(),
        covariance=detections.covariance.numpy(),
        sample_pose=None if detections.sample_pose is None else detections.sample_pose.numpy(),
        sample_weight=None
        if detections.sample_weight is None
        else detections.sample_weight.numpy(),
    )
    return found.where(found.score >= score_threshold)


def boxes_of_mmdet3d(
    boxes: Any, label: Any, score: Any = None, covariance: Any = None
) -> DrawnBoxes:
    """`CameraInstance3DBoxes` (n, 7 or 9), whose position is the bottom centre, with labels and
    scores (n,) as arrays.
    """
    values = boxes.tensor.numpy()
    return DrawnBoxes(
        pose=np.concatenate([boxes.gravity_center.numpy(), values[:, 6:7]], axis=1),
        size=values[:, 3:6],
        label=np.asarray(label),
        score=None if score is None else np.asarray(score),
        velocity=values[:, 7:9] if values.shape[1] == 9 else None,
        covariance=None if covariance is None else np.asarray(covariance),
    )


def draw_dataset(
    dataset: Any, results: list[dict], folder: Path, *, background_kind: str, score_threshold: float
) -> None:
    """Writes a picture of every image of a dataset, named after it, with predicted boxes solid and
    true visible boxes dashed.

    Raises:
        UserError: an image is missing or truncated.
    """
    from ..data.transforms import read_image

    folder.mkdir(parents=True, exist_ok=True)
    for index, result in enumerate(tqdm(results, desc="drawing", unit="image")):
        info = dataset.data_infos[index]
        found = result["img_bbox"]
        boxes = boxes_of_mmdet3d(
            found["boxes_3d"], found["labels_3d"], found["scores_3d"], found.get("pose_covariance")
        )  # FCOS3D has none
        truth = dataset.get_ann_info(index)
        true_boxes = boxes_of_mmdet3d(truth["gt_bboxes_3d"], truth["gt_labels_3d"]).where(
            truth["visibility"] >= LEAST_VISIBILITY
        )
        drawn = picture(
            read_image(str(Path(dataset.img_prefix, info["filename"]))),
            np.array(info["cam_intrinsic"]),
            boxes.where(boxes.score >= score_threshold),
            true_boxes,
            background_kind,
        )
        cv2.imwrite(str(folder / f"{Path(info['filename']).stem}.png"), drawn)
