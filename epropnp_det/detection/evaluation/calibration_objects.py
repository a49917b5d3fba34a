"""The objects of a dataset with annotations, as a calibration takes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from mmcv.parallel import collate
from torch import Tensor

from epropnp_det.calibration.objects import CalibrationObjects
from epropnp_det.engine.wrapping import to_device

from ..boxes import Boxes3D, in_camera_frame
from ..data.class_set import ClassSet
from ..detector import EProPnPDet
from .pose_distributions import DistributionSettings, match_detections


@torch.no_grad()
def matched_objects(
    model: EProPnPDet, dataset: Any, indices: Sequence[int], settings: DistributionSettings
) -> Iterator[CalibrationObjects]:
    """The matched detections of each image, in the level frame of its camera. Image i is predicted
    with seed i.

    Args:
        model: in evaluation mode; its temperatures are not used.
        dataset: with annotations, in test mode.
        indices: numbers of the images.
        settings: the rule of the matches, as of `predict_distributions`.
    """
    device = next(model.parameters()).device
    for index in indices:
        data = to_device(collate([dataset[index]], samples_per_gpu=1), device)
        meta = data["img_metas"][0]
        generators = [torch.Generator(device).manual_seed(index)]
        found, problem, estimate = next(
            iter(model.solved_images(data["img"], data["img_metas"], generators))
        )
        chosen = found.require("score") >= settings.score_threshold
        found, problem, estimate = found[chosen], problem[chosen], estimate[chosen]
        info = dataset.data_infos[index]
        truth = dataset.get_visible_boxes(index)
        match = match_detections(
            in_camera_frame(found, meta).to("cpu"),
            truth,
            np.array(info["cam_intrinsic"]),
            (info["width"], info["height"]),
            settings.min_iou,
        )
        kept = (match >= 0).nonzero()[:, 0]
        true_pose = _level_pose(truth[match[kept]], meta).to(estimate.pose)
        label = found.label[kept]
        half_turn, round_shape = symmetries(label, model.bbox_head.classes)
        yield CalibrationObjects(
            problem=problem[kept],
            pose=estimate.pose[kept],
            truth=nearest_truth(true_pose, estimate.pose[kept], half_turn, round_shape),
            label=label,
            image=torch.full_like(label, index),
            symmetric=half_turn,
            oriented=~round_shape,
        ).to("cpu")


def nearest_truth(truth: Tensor, pose: Tensor, half_turn: Tensor, round_shape: Tensor) -> Tensor:
    """True poses (n, 4) with the one of their headings that is nearest to that of poses (n, 4).

    Args:
        half_turn: (n,) bool, objects that half a turn does not change.
        round_shape: (n,) bool, objects that no turn changes.
    """
    yaw = truth[:, 3]
    opposed = (yaw - pose[:, 3]).cos() < 0
    yaw = torch.where(half_turn & opposed, yaw + math.pi, yaw)
    return torch.cat((truth[:, :3], torch.where(round_shape, pose[:, 3], yaw)[:, None]), dim=1)


def symmetries(label: Tensor, classes: ClassSet) -> tuple[Tensor, Tensor]:
    """(n,) bool of objects with labels (n,): whether half a turn changes nothing, and whether no
    turn changes anything.
    """
    each = [classes.symmetry.get(name) for name in classes.class_names]
    half_turn = torch.tensor([symmetry == "half_turn" for symmetry in each], device=label.device)
    round_shape = torch.tensor([symmetry == "round" for symmetry in each], device=label.device)
    return half_turn[label], round_shape[label]


def _level_pose(boxes: Boxes3D, meta: dict[str, Any]) -> Tensor:
    """Poses (n, 4) of boxes of the camera frame in the level frame of the camera."""
    if "level_rotation" not in meta:
        return boxes.pose
    rotation = torch.as_tensor(meta["level_rotation"]).to(boxes.pose)
    tilted = replace(boxes, level_rotation=rotation.expand(len(boxes), 3, 3))
    return tilted.in_level_frame().pose
