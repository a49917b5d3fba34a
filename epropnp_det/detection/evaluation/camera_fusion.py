"""From boxes per image to boxes per sample: six cameras brought into the global frame, duplicates
removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pyquaternion import Quaternion

from ..data.frames import RigidTransform, rotation_from_yaw, size_to_devkit, velocity_to_global
from ..data.nuscenes_classes import ADMITTED_ATTRIBUTES, CLASSES, DETECTION_RANGE, attribute_name
from ..nms import bev_nms

# Global frame (x east, y north, z up) turned to have y down like a camera's, which is what
# `bev_nms` takes.
_Y_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


@dataclass(frozen=True)
class FusionSettings:
    """How the boxes of a sample's cameras become one list.

    Args:
        nms_threshold: intersection over union in bird's-eye view above which the weaker of two
            boxes of a class goes.
        max_boxes: boxes kept per sample, best scores first; the official evaluation refuses more
            than 500.
        device: where the suppression runs, "cpu" or "cuda".
    """

    nms_threshold: float = 0.25
    max_boxes: int = 500
    device: str = "cpu"


@dataclass(frozen=True)
class GlobalBoxes:
    """n boxes in the global frame, metres, devkit axes (x forward, y left, z up)."""

    center: np.ndarray  # (n, 3) gravity centre
    wlh: np.ndarray  # (n, 3) width, length, height
    rotation: np.ndarray  # (n, 3, 3)
    velocity: np.ndarray  # (n, 2) m/s
    score: np.ndarray  # (n,)
    label: np.ndarray  # (n,) index into CLASSES
    attribute: np.ndarray  # (n,) index into ATTRIBUTES

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: np.ndarray) -> GlobalBoxes:
        return GlobalBoxes(**{name: value[index] for name, value in vars(self).items()})

    @staticmethod
    def concatenate(parts: Sequence[GlobalBoxes]) -> GlobalBoxes:
        """All boxes of at least one part, in order."""
        return GlobalBoxes(
            **{
                name: np.concatenate([vars(part)[name] for part in parts])
                for name in vars(parts[0])
            }
        )


def from_result(result: dict, image: dict) -> GlobalBoxes:
    """A model's boxes of one image, moved from its camera to the global frame with the camera's own
    ego pose.

    Args:
        result: `boxes_3d` (`CameraInstance3DBoxes` (n, 9)), `scores_3d`, `labels_3d`, `attrs_3d`
            (n,).
        image: record of the annotation file.
    """
    x, bottom, z, length, height, width, yaw, vx, vz = (
        result["boxes_3d"].tensor.detach().cpu().double().numpy().T
    )
    to_global = RigidTransform.camera_to_global(image)
    with np.errstate(invalid="ignore"):  # an infinite yaw becomes NaN here; `usable` finds it
        rotation = to_global.rotation @ rotation_from_yaw(yaw)
    return GlobalBoxes(
        center=to_global(np.stack([x, bottom - height / 2, z], axis=-1)),
        wlh=size_to_devkit(np.stack([length, height, width], axis=-1)),
        rotation=rotation,
        velocity=velocity_to_global(np.stack([vx, vz], axis=-1), to_global),
        score=result["scores_3d"].detach().cpu().double().numpy(),
        label=result["labels_3d"].cpu().numpy(),
        attribute=result["attrs_3d"].cpu().numpy(),
    )


def usable(boxes: GlobalBoxes) -> np.ndarray:
    """Mask (n,) of the boxes that a submission may hold: finite pose and score, positive finite
    size.
    """
    numbers = np.concatenate(
        [boxes.center, boxes.wlh, boxes.rotation.reshape(-1, 9), boxes.score[:, None]], axis=1
    )
    return np.isfinite(numbers).all(axis=1) & (boxes.wlh > 0).all(axis=1)


def in_range(boxes: GlobalBoxes, origin: np.ndarray) -> np.ndarray:
    """Mask (n,) of the boxes that the official evaluation looks at: nearer to origin (3,), in the
    plane, than their class range.
    """
    reach = np.array([DETECTION_RANGE[name] for name in CLASSES])
    return np.linalg.norm((boxes.center - origin)[:, :2], axis=1) < reach[boxes.label]


def fuse(boxes: GlobalBoxes, origin: np.ndarray, settings: FusionSettings) -> GlobalBoxes:
    """The boxes of all cameras of a sample as one list, best score first, each object once.

    Args:
        origin: (3,) where the vehicle was, global frame; class ranges count from here.
    """
    near = boxes[in_range(boxes, origin)]
    heading = near.rotation[:, :, 0]
    yaw = np.arctan2(-heading[:, 1], heading[:, 0])
    pose = np.concatenate([(near.center - origin) @ _Y_DOWN.T, yaw[:, None]], axis=1)
    size = near.wlh[:, [1, 2, 0]]
    arrays = (pose, size, near.score, near.label)
    tensors = [torch.from_numpy(array).to(settings.device) for array in arrays]
    return near[bev_nms(*tensors, settings.nms_threshold)[: settings.max_boxes].cpu().numpy()]


def submission_records(boxes: GlobalBoxes, sample_token: str) -> list[dict]:
    """The boxes of a sample as the submission format of the nuScenes detection task has them."""
    return [_record(boxes, index, sample_token) for index in range(len(boxes))]


def _record(boxes: GlobalBoxes, index: int, sample_token: str) -> dict:
    name = CLASSES[boxes.label[index]]
    attribute = attribute_name(boxes.attribute[index])
    return dict(
        sample_token=sample_token,
        translation=boxes.center[index].tolist(),
        size=boxes.wlh[index].tolist(),
        rotation=_quaternion(boxes.rotation[index]),
        velocity=np.nan_to_num(
            boxes.velocity[index], nan=0.0, posinf=0.0, neginf=0.0
        ).tolist(),  # JSON has no NaN
        detection_name=name,
        detection_score=float(boxes.score[index]),
        attribute_name=attribute if attribute in ADMITTED_ATTRIBUTES[name] else "",
    )


def _quaternion(rotation: np.ndarray) -> list[float]:
    """w, x, y, z of a rotation matrix (3, 3)."""
    return Quaternion(matrix=rotation, rtol=1e-6, atol=1e-6).elements.tolist()
