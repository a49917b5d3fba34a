"""What mmdet3d's FCOS3D wants of an image beyond what our detector takes, so that both train on the
same pixels and boxes.
"""

from __future__ import annotations

import torch
from mmdet.datasets.builder import PIPELINES
from mmdet3d.core.bbox import CameraInstance3DBoxes


@PIPELINES.register_module()
class AddFCOS3DInputs:
    """Adds the camera matrix as `cam2img`, and to ground truth the projected centres and depths.
    The last step before formatting.

    Results come out for the pixels that the network sees (`scale_factor` 1 with the camera of those
    pixels), so FCOS3D needs to know nothing of crops and sizes. Unknown velocities become zero, as
    mmdet3d does it.
    """

    def __call__(self, results: dict) -> dict:
        camera = results["camera"]
        added = dict(
            results,
            cam2img=camera.matrix.tolist(),
            scale_factor=1.0,
            box_type_3d=CameraInstance3DBoxes,
        )
        if "gt_bboxes_3d" in results:
            boxes = results["gt_bboxes_3d"]
            centers = boxes.gravity_center
            known = torch.cat((boxes.tensor[:, :7], boxes.tensor[:, 7:].nan_to_num(nan=0.0)), 1)
            added.update(
                gt_bboxes_3d=CameraInstance3DBoxes(known, box_dim=9),
                gt_labels=results["gt_labels_3d"].copy(),
                centers2d=camera.project(centers).numpy(),
                depths=centers[:, 2].numpy(),
            )
        return added
