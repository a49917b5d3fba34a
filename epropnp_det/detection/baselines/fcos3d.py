"""mmdet3d's FCOS3D behind the interface of our detector, as the baseline to compare with."""

from __future__ import annotations

from mmdet3d.models.builder import DETECTORS
from mmdet3d.models.detectors import FCOSMono3D
from torch import Tensor


@DETECTORS.register_module()
class FCOS3DBaseline(FCOSMono3D):
    """FCOS3D, unchanged but for its inputs: plain batches at test time instead of lists of
    augmented ones.
    """

    def forward(self, img: Tensor, img_metas: list[dict], return_loss: bool = True, **kwargs):
        """Losses with `return_loss`, else one dict of mmdet3d results an image."""
        return (
            self.forward_train(img, img_metas, **kwargs)
            if return_loss
            else self.simple_test(img, img_metas)
        )
