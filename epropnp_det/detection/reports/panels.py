"""Panels about an image: pictures of detections and ground truth, and the best objects close up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from epropnp_det.drawing.boxes import draw_boxes
from epropnp_det.drawing.heading_rose import draw_yaw_density
from epropnp_det.drawing.layout import side_by_side, stacked
from epropnp_det.drawing.wireframe import project_segments
from epropnp_det.posterior.density import radius_containing_mass, yaw_distances

from ..boxes import Boxes3D
from ..evaluation.pose_distributions import ImageResult
from .pictures import box_corners, draw_from_above, draw_on_image

_OBJECTS = 6  # shown close up per image
_WIDTH = 1200  # px of an image on the page
_CROP = 400  # px
_MARGIN = 0.25  # around an object, of its larger side
_SHARE = 0.68  # of the weight within "±"; a standard deviation means little with heavy tails


@dataclass(frozen=True)
class ObjectPanel:
    """An object close up. Pictures are (H, W, 3) uint8 BGR."""

    title: str
    text: str
    crop: np.ndarray
    density: np.ndarray  # of its heading


@dataclass(frozen=True)
class ImagePanel:
    """An image with its boxes, the scene from above, and the best objects of it."""

    title: str
    picture: np.ndarray
    birdseye: np.ndarray
    objects: tuple[ObjectPanel, ...]


def image_panel(result: ImageResult, class_names: Sequence[str]) -> ImagePanel:
    """The pictures of an image: detections solid, ground truth dashed, the best objects close up.

    Args:
        class_names: names of the labels.
    """
    found = result.detections
    drawn = draw_on_image(result.pixels, result.matrix, found, class_names, result.truth)
    above = draw_from_above(
        found,
        result.truth,
        matrix=result.matrix,
        width=result.pixels.shape[1],
        height=round(_WIDTH * 0.62),
    )
    return ImagePanel(
        title=result.title,
        picture=_with_width(drawn, _WIDTH),
        birdseye=above,
        objects=tuple(object_panel(result, index, class_names) for index in _best_objects(found)),
    )


def poster(panel: ImagePanel) -> np.ndarray:
    """Everything about an image in one picture: boxes and the scene from above, and below the best
    objects close up.
    """
    top = side_by_side(panel.picture, panel.birdseye)
    pairs = [side_by_side(each.crop, each.density) for each in panel.objects]
    if not pairs:
        return top
    return stacked(
        top, _with_width(side_by_side(*pairs), round(top.shape[1] * len(pairs) / _OBJECTS))
    )


def object_panel(result: ImageResult, index: int, class_names: Sequence[str]) -> ObjectPanel:
    """Detection `index` close up."""
    found = result.detections[index]
    pose = found.pose.numpy()
    sample = found.require("sample_pose").numpy()
    weight = found.require("sample_weight").numpy()
    match = int(result.match[index])
    true_yaw = None if match < 0 else float(result.truth.pose[match, 3])
    depth = depth_spread(sample[:, 2], weight, pose[2])
    heading = heading_spread(sample[:, 3], weight, pose[3])
    return ObjectPanel(
        title=f"{class_names[int(found.label)].replace('_', ' ')}, score {found.score:.2f}",
        text=f"{pose[2]:.1f} m ahead, ± {depth:.1f} m; heading ± {heading:.0f}°",
        crop=close_up(result.pixels, result.matrix, result.detections[[index]]),
        density=draw_yaw_density(
            sample[:, 3], weight, best=pose[3], label=int(found.label), truth=true_yaw
        ),
    )


def _best_objects(found: Boxes3D) -> list[int]:
    """Indices of the detections to show close up: those with a distribution, best scores first."""
    usable = found.require("sample_weight").isfinite().all(1).nonzero()[:, 0].tolist()
    score = found.require("score")
    return sorted(usable, key=lambda index: -float(score[index]))[:_OBJECTS]


def close_up(pixels: np.ndarray, matrix: np.ndarray, box: Boxes3D) -> np.ndarray:
    """The square around a single box (n = 1), with the box drawn: (400, 400, 3)."""
    corners = box_corners(box)
    outline = project_segments(corners[0].reshape(4, 2, 3), matrix).reshape(-1, 2)
    low = outline.min(axis=0)
    high = outline.max(axis=0)
    half = max(16.0, (0.5 + _MARGIN) * (high - low).max())
    shift = (low + high) / 2 - half
    scale = _CROP / (2 * half)
    transform = np.array([[scale, 0, -scale * shift[0]], [0, scale, -scale * shift[1]]])
    crop = cv2.warpAffine(
        pixels, transform, (_CROP, _CROP), flags=cv2.INTER_AREA, borderValue=(235, 235, 235)
    )
    return draw_boxes(crop, np.vstack([transform, [0, 0, 1]]) @ matrix, corners, box.label.numpy())


def heading_spread(yaw: np.ndarray, weight: np.ndarray, best: float) -> float:
    """Angle [deg] to either side of the best yaw that holds 68 % of the weight of the samples
    (S,).
    """
    return float(
        np.degrees(radius_containing_mass(yaw_distances(np.array([best]), yaw), weight, _SHARE)[0])
    )


def depth_spread(depth: np.ndarray, weight: np.ndarray, best: float) -> float:
    """Distance [m] to either side of the best depth that holds 68 % of the weight of the samples
    (S,).
    """
    return float(radius_containing_mass(np.abs(depth - best)[None], weight, _SHARE)[0])


def _with_width(picture: np.ndarray, width: int) -> np.ndarray:
    height = round(picture.shape[0] * width / picture.shape[1])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
