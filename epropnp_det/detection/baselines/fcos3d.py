"""mmdet3d's FCOS3D with the interface of our detector, as the baseline to compare with."""

from __future__ import annotations

from typing import Any

import torch
from mmdet3d.models.builder import DETECTORS, HEADS
from mmdet3d.models.dense_heads import FCOSMono3DHead
from mmdet3d.models.detectors import FCOSMono3D
from torch import Tensor

from epropnp_det.losses.over_processes import shared_count

from ..boxes import Boxes3D, from_mmdet3d_result, in_camera_frame

_LEAST = 1e-6  # below any sum of centrenesses


@HEADS.register_module()
class SharedFCOSMono3DHead(FCOSMono3DHead):
    """mmdet3d's head, whose losses are divided by counts of all processes, so that many train as
    one with all their images. With one process the losses are those of mmdet3d.
    """

    foreground: Tensor  # () number of foreground points of the batch
    centerness: Tensor  # () sum of their centreness

    def get_targets(self, *args: Any, **kwargs: Any) -> tuple[list[Tensor], ...]:
        """Targets of all points by level, as of mmdet3d; keeps what the losses are divided by."""
        targets = super().get_targets(*args, **kwargs)
        label = torch.cat(targets[0])
        centerness = torch.cat(targets[2])
        is_foreground = (label >= 0) & (label < self.num_classes)
        self.foreground = is_foreground.sum().to(centerness)
        self.centerness = (centerness * is_foreground).sum()
        return targets

    def loss(self, cls_scores: list[Tensor], *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Losses, each (); arguments as of mmdet3d, which divides by the counts of this process."""
        losses = super().loss(cls_scores, *args, **kwargs)
        images = len(cls_scores[0])
        counts = torch.stack((self.foreground, self.foreground + images, self.centerness))
        # 0 where no process counts any.
        foreground, points, centerness = counts / shared_count(counts, least=_LEAST)
        own = {"loss_cls": points, "loss_attr": centerness}
        return {name: loss * own.get(name, foreground) for name, loss in losses.items()}


@DETECTORS.register_module()
class FCOS3DBaseline(FCOSMono3D):
    """FCOS3D with another interface: plain batches at test time instead of lists of augmented ones,
    and detections as `Boxes3D`. Several processes share the counts that its losses are divided by.
    """

    def __init__(self, backbone: dict, neck: dict, bbox_head: dict, **settings: Any):
        if bbox_head["type"] == FCOSMono3DHead.__name__:
            bbox_head = dict(bbox_head, type=SharedFCOSMono3DHead.__name__)
        super().__init__(backbone, neck, bbox_head, **settings)

    def class_wise_keys(self) -> set[str]:
        """Names of the weights that have a part for each class, or for each attribute."""
        owners = ("bbox_head.conv_cls.", "bbox_head.conv_attr.")
        return {key for key in self.state_dict() if key.startswith(owners)}

    def forward(self, img: Tensor, img_metas: list[dict], return_loss: bool = True, **kwargs):
        """Losses with `return_loss`, else the detections per image."""
        return (
            self.forward_train(img, img_metas, **kwargs)
            if return_loss
            else self.simple_test(img, img_metas)
        )

    def simple_test(self, img: Tensor, img_metas: list[dict], **kwargs) -> list[Boxes3D]:
        """Detections per image on the CPU, frame of the camera, without covariances."""
        results = super().simple_test(img, img_metas, **kwargs)
        found = [from_mmdet3d_result(result["img_bbox"]).to("cpu") for result in results]
        return [in_camera_frame(boxes, meta) for boxes, meta in zip(found, img_metas)]
