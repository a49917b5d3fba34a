"""Pictures of detections: the image with its boxes, and the scene from above next to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from tqdm import tqdm

from epropnp_det.drawing import background
from epropnp_det.drawing.birdseye import draw_birdseye
from epropnp_det.drawing.boxes import draw_boxes
from epropnp_det.drawing.layout import side_by_side
from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image
from epropnp_det.engine.output_files import make_folder, output_names, write_pixels

from ..boxes import Boxes3D, corners


def picture(
    image: np.ndarray,
    matrix: np.ndarray,
    boxes: Boxes3D,
    class_names: Sequence[str],
    truth: Boxes3D | None = None,
    background_kind: str = "image",
    tracks: Sequence[int] | None = None,
) -> np.ndarray:
    """Image with boxes, and next to it the scene from above.

    Args:
        image: (H, W, 3) uint8 BGR.
        matrix: (3, 3) camera matrix, px.
        boxes: drawn solid, on the CPU.
        class_names: names of the labels.
        truth: drawn dashed.
        background_kind: one of `drawing.BACKGROUNDS`.
        tracks: numbers of the boxes' tracks, to show in place of the scores.

    Returns:
        (H, W + 0.8 H, 3) uint8 BGR.
    """
    plain = background(image, background_kind)
    drawn = draw_on_image(plain, matrix, boxes, class_names, truth, tracks)
    height, width = image.shape[:2]
    view = dict(matrix=matrix, width=width, height=max(height, 600))
    above = draw_from_above(boxes, truth, captions=list(map(str, tracks or ())), **view)
    return side_by_side(drawn, above)


def draw_on_image(
    image: np.ndarray,
    matrix: np.ndarray,
    boxes: Boxes3D,
    class_names: Sequence[str],
    truth: Boxes3D | None = None,
    tracks: Sequence[int] | None = None,
) -> np.ndarray:
    """A copy of the image (H, W, 3) uint8 BGR with boxes, solid, and ground truth, dashed; boxes
    with numbers of tracks, or else with scores, have captions.
    """
    numbers: list[str] = []
    if tracks is not None:
        numbers = [str(track) for track in tracks]
    elif boxes.score is not None:
        numbers = [f"{score:.2f}" for score in boxes.score.tolist()]
    captions = [
        f"{class_names[label]} {number}" for label, number in zip(boxes.label.tolist(), numbers)
    ]
    drawn = draw_boxes(image, matrix, box_corners(boxes), boxes.label.numpy(), captions=captions)
    if truth is None:
        return drawn
    return draw_boxes(drawn, matrix, box_corners(truth), truth.label.numpy(), dashed=True)


def draw_from_above(boxes: Boxes3D, truth: Boxes3D | None = None, **settings: Any) -> np.ndarray:
    """`draw_birdseye` of boxes on the CPU, in the level frame of a tilted camera; its further
    arguments are `settings`.
    """
    level = boxes.in_level_frame()
    return draw_birdseye(
        box_corners(level),
        level.label.numpy(),
        velocity=_array(level.velocity),
        covariance=_array(level.covariance),
        sample_pose=_array(level.sample_pose),
        sample_weight=_array(level.sample_weight),
        true_corners=None if truth is None else box_corners(truth),
        true_velocity=None if truth is None else _array(truth.velocity),
        **settings,
    )


def box_corners(boxes: Boxes3D) -> np.ndarray:
    """(n, 8, 3) float64 corners in the camera frame, m, in the order of `drawing.wireframe`."""
    level = boxes.in_level_frame()
    found = corners(level.pose.double(), level.size.double())
    if boxes.level_rotation is not None:
        found = found @ boxes.level_rotation.double()
    return found.numpy()


def draw_dataset(
    dataset: Any,
    results: list[Boxes3D],
    folder: Path,
    *,
    background_kind: str,
    score_threshold: float,
) -> None:
    """Writes a picture of every image of a dataset, named by `output_names`, with predicted boxes
    solid and visible ground truth dashed.

    Raises:
        UserError: an image is missing or truncated, or is in the dataset twice.
    """
    make_folder(folder)
    names = output_names([Path(info["filename"]) for info in dataset.data_infos])
    for index, found in enumerate(tqdm(results, desc="drawing", unit="image", disable=None)):
        info = dataset.data_infos[index]
        drawn = picture(
            read_image(str(file_under(dataset.img_prefix, info["filename"]))),
            np.array(info["cam_intrinsic"]),
            found[found.score >= score_threshold],
            dataset.CLASSES,
            dataset.get_visible_boxes(index),
            background_kind,
        )
        write_pixels(folder / f"{names[index]}.png", drawn)


def _array(values: Tensor | None) -> np.ndarray | None:
    return None if values is None else values.numpy()
