"""mmdet3d's FCOS3D with the interface of our detector, as the baseline to compare with."""

from __future__ import annotations

from typing import Any

from mmdet3d.models.builder import DETECTORS
from mmdet3d.models.detectors import FCOSMono3D
from torch import Tensor, nn

from epropnp_det.losses.over_processes import shared_count

from ..boxes import Boxes3D, from_mmdet3d_result, in_camera_frame


class SharedFactor(nn.Module):
    """A loss whose `avg_factor` is the mean over the processes.

    A process whose images hold no object would otherwise divide the loss of all its background by
    its number of images alone.
    """

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, predicted: Tensor, target: Tensor, *, avg_factor: float) -> Tensor:
        """The loss (); arguments as of mmdet's."""
        count = shared_count(predicted.new_tensor(float(avg_factor)))
        return self.loss(predicted, target, avg_factor=count)


@DETECTORS.register_module()
class FCOS3DBaseline(FCOSMono3D):
    """FCOS3D with another interface: plain batches at test time instead of lists of augmented ones,
    and detections as `Boxes3D`. Several processes share the count of its class loss.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.bbox_head.loss_cls = SharedFactor(self.bbox_head.loss_cls)

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
