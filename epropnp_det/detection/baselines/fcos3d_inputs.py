"""Inputs that mmdet3d's FCOS3D takes beyond those of our detector, so that both train on the same
pixels and boxes.
"""

from __future__ import annotations

from mmdet.datasets.builder import PIPELINES

from ..boxes import MMDET3D_BOXES, from_mmdet3d, without_unknown_velocity


@PIPELINES.register_module()
class AddFCOS3DInputs:
    """Adds the camera matrix as `cam2img`, and to ground truth the projected centres and depths.
    The last step before formatting.

    `scale_factor` is 1 and `cam2img` belongs to the pixels of the network input, so FCOS3D decodes
    its boxes with the camera of those pixels. Unknown velocities become zero, as in mmdet3d.
    """

    def __call__(self, results: dict) -> dict:
        camera = results["camera"]
        added = dict(
            results,
            cam2img=camera.matrix.tolist(),
            scale_factor=1.0,
            box_type_3d=MMDET3D_BOXES,
        )
        if "gt_bboxes_3d" in results:
            pose, _, _ = from_mmdet3d(results["gt_bboxes_3d"])
            added.update(
                gt_bboxes_3d=without_unknown_velocity(results["gt_bboxes_3d"]),
                gt_labels=results["gt_labels_3d"].copy(),
                centers2d=camera.project(pose[:, :3]).numpy(),
                depths=camera.depth(pose[:, :3]).numpy(),
            )
        return added
