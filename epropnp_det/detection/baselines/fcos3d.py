"""mmdet3d's FCOS3D with the interface of our detector, as the baseline to compare with."""

from __future__ import annotations

from mmdet3d.models.builder import DETECTORS
from mmdet3d.models.detectors import FCOSMono3D
from torch import Tensor

from ..boxes import Boxes3D, from_mmdet3d_result, in_camera_frame


@DETECTORS.register_module()
class FCOS3DBaseline(FCOSMono3D):
    """FCOS3D, unchanged but for its interface: plain batches at test time instead of lists of
    augmented ones, and detections as `Boxes3D`.
    """

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
