"""From boxes per image to boxes per sample: six cameras brought into the global frame, duplicates
removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pyquaternion import Quaternion
from torch import Tensor

from ..boxes import UNIT_CORNERS, Boxes3D
from ..data.class_set import ClassSet
from ..data.frames import (
    BOX_AXES_IN_OBJECT_AXES,
    RigidTransform,
    rotation_from_yaw,
    size_to_devkit,
    size_to_object_axes,
    velocity_to_global,
)
from ..nms import bev_nms

# From the global frame (x east, y north, z up) to one with y down, as `bev_nms` takes it.
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
class GlobalBoxes3D:
    """n boxes in the global frame, metres, devkit axes (x forward, y left, z up)."""

    center: np.ndarray  # (n, 3) gravity centre
    wlh: np.ndarray  # (n, 3) width, length, height
    rotation: np.ndarray  # (n, 3, 3)
    velocity: np.ndarray  # (n, 2) m/s
    score: np.ndarray  # (n,)
    label: np.ndarray  # (n,) index into the class names
    attribute: np.ndarray  # (n,) index into the attributes
    covariance: np.ndarray  # (n, 3, 3) of the centre, m^2; NaN where unknown

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, index: np.ndarray) -> GlobalBoxes3D:
        return GlobalBoxes3D(**{name: value[index] for name, value in vars(self).items()})

    def corners(self) -> np.ndarray:
        """(n, 8, 3) in the global frame, m, in the order of `UNIT_CORNERS`."""
        local = np.array(UNIT_CORNERS) * size_to_object_axes(self.wlh)[:, None]
        rotation = self.rotation @ BOX_AXES_IN_OBJECT_AXES.T
        return local @ rotation.transpose(0, 2, 1) + self.center[:, None]

    @staticmethod
    def concatenate(parts: Sequence[GlobalBoxes3D]) -> GlobalBoxes3D:
        """All boxes of at least one part, in order."""
        return GlobalBoxes3D(
            **{
                name: np.concatenate([vars(part)[name] for part in parts])
                for name in vars(parts[0])
            }
        )


def to_global_frame(boxes: Boxes3D, image: dict) -> GlobalBoxes3D:
    """A model's boxes of one image, moved from its camera to the global frame with the camera's own
    ego pose.

    Args:
        boxes: with velocity, score and attribute, on the CPU.
        image: record of the annotation file.
    """
    to_global = RigidTransform.camera_to_global(image)
    upright = to_global.rotation
    if boxes.level_rotation is not None:  # boxes are upright in the level frame of the camera
        upright = upright @ boxes.level_rotation.double().mT.numpy()
    yaw = boxes.in_level_frame().pose[:, 3].double().numpy()
    with np.errstate(invalid="ignore"):  # an infinite yaw becomes NaN here; `usable` finds it
        rotation = upright @ rotation_from_yaw(yaw)
    covariance = np.full((len(boxes), 3, 3), np.nan)
    if boxes.covariance is not None:
        own = boxes.covariance[:, :3, :3].double().numpy()
        covariance = to_global.rotation @ own @ to_global.rotation.T
    return GlobalBoxes3D(
        center=to_global(boxes.pose[:, :3].double().numpy()),
        wlh=size_to_devkit(boxes.size.double().numpy()),
        rotation=rotation,
        velocity=velocity_to_global(boxes.require("velocity").double().numpy(), to_global),
        score=boxes.require("score").double().numpy(),
        label=boxes.label.numpy(),
        attribute=boxes.require("attribute").numpy(),
        covariance=covariance,
    )


def usable(boxes: GlobalBoxes3D) -> np.ndarray:
    """Mask (n,) of the boxes that a submission may hold: finite pose and score, positive finite
    size.
    """
    numbers = np.concatenate(
        [boxes.center, boxes.wlh, boxes.rotation.reshape(-1, 9), boxes.score[:, None]], axis=1
    )
    return np.isfinite(numbers).all(axis=1) & (boxes.wlh > 0).all(axis=1)


def in_range(
    place: np.ndarray, label: np.ndarray, origin: np.ndarray, ranges: np.ndarray
) -> np.ndarray:
    """Mask (n,) of the objects at places (n, 2) on the ground, of classes (n,), that are nearer to
    origin (2,) than the range of their class (classes,), m: the official evaluation counts no
    others.
    """
    return np.linalg.norm(place - origin, axis=1) < ranges[label]


def fuse(
    boxes: GlobalBoxes3D, origin: np.ndarray, ranges: np.ndarray, settings: FusionSettings
) -> GlobalBoxes3D:
    """The boxes of all cameras of a sample as one list, best score first, each object once.

    Args:
        origin: (3,) position of the vehicle, global frame, m.
        ranges: (classes,) m from the origin; boxes of a class beyond it are left out.
    """
    near = boxes[in_range(boxes.center[:, :2], boxes.label, origin[:2], ranges)]
    heading = near.rotation[:, :, 0]
    yaw = np.arctan2(-heading[:, 1], heading[:, 0])
    pose = np.concatenate([(near.center - origin) @ _Y_DOWN.T, yaw[:, None]], axis=1)
    size = size_to_object_axes(near.wlh)

    def on_device(array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(settings.device)

    kept = bev_nms(
        on_device(pose),
        on_device(size),
        on_device(near.score),
        on_device(near.label),
        settings.nms_threshold,
    )
    return near[kept[: settings.max_boxes].cpu().numpy()]


def submission_records(boxes: GlobalBoxes3D, sample_token: str, class_set: ClassSet) -> list[dict]:
    """The boxes of a sample in the submission format of the nuScenes detection task; an attribute
    that the class does not admit is left empty.
    """
    # JSON has no NaN.
    velocity = np.nan_to_num(boxes.velocity, nan=0.0, posinf=0.0, neginf=0.0)
    records = []
    for index in range(len(boxes)):
        name = class_set.class_names[boxes.label[index]]
        attribute = class_set.attribute_name(boxes.attribute[index])
        rotation = Quaternion(matrix=boxes.rotation[index], rtol=1e-6, atol=1e-6)
        records.append(
            dict(
                sample_token=sample_token,
                translation=boxes.center[index].tolist(),
                size=boxes.wlh[index].tolist(),
                rotation=rotation.elements.tolist(),
                velocity=velocity[index].tolist(),
                detection_name=name,
                detection_score=float(boxes.score[index]),
                attribute_name=attribute
                if attribute in class_set.attributes_of_class(name)
                else "",
            )
        )
    return records
