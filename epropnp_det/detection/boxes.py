"""3D boxes: corners, projections, and the one place that knows how mmdet3d stores them.

Boxes are (pose, size): x, y, z of the gravity centre and yaw; length, height, width along the
object's x, y (down) and z axes.
"""

from __future__ import annotations

import torch
from mmdet3d.core.bbox import CameraInstance3DBoxes
from torch import Tensor

from epropnp_det.pnp import Camera

# Corners of the unit box: the first four have x = -0.5 (rear), the last four x = +0.5 (front).
UNIT_CORNERS = (
    (-0.5, -0.5, -0.5),
    (-0.5, -0.5, 0.5),
    (-0.5, 0.5, 0.5),
    (-0.5, 0.5, -0.5),
    (0.5, -0.5, -0.5),
    (0.5, -0.5, 0.5),
    (0.5, 0.5, 0.5),
    (0.5, 0.5, -0.5),
)


def from_mmdet3d(boxes: CameraInstance3DBoxes) -> tuple[Tensor, Tensor, Tensor]:
    """mmdet3d boxes (bottom centre) -> pose (n, 4), size (n, 3), velocity (n, 2); velocities are
    NaN where the boxes carry none.
    """
    tensor = boxes.tensor
    pose = torch.cat((boxes.gravity_center, tensor[:, 6:7]), 1)
    velocity = (
        tensor[:, 7:9] if tensor.shape[1] >= 9 else tensor.new_full((len(tensor), 2), torch.nan)
    )
    return pose, tensor[:, 3:6], velocity


def to_mmdet3d(pose: Tensor, size: Tensor, velocity: Tensor) -> CameraInstance3DBoxes:
    """The inverse of `from_mmdet3d`."""
    return CameraInstance3DBoxes(
        torch.cat((pose[:, :3], size, pose[:, 3:], velocity), 1), box_dim=9, origin=(0.5, 0.5, 0.5)
    )


def yaw_matrix(yaw: Tensor) -> Tensor:
    """(...,) -> (..., 3, 3) R_y(yaw), object to camera."""
    c, s, o = yaw.cos(), yaw.sin(), torch.zeros_like(yaw)
    return torch.stack((c, o, s, o, o + 1, o, -s, o, c), -1).unflatten(-1, (3, 3))


def corners(pose: Tensor, size: Tensor) -> Tensor:
    """(n, 4), (n, 3) -> (n, 8, 3) corners in the camera frame, m, in the order of
    `UNIT_CORNERS`.
    """
    unit = pose.new_tensor(UNIT_CORNERS)
    return (unit * size[:, None]) @ yaw_matrix(pose[:, 3]).mT + pose[:, None, :3]


def projected_boxes(pose: Tensor, size: Tensor, camera: Camera, image_size: Tensor) -> Tensor:
    """Bounding boxes of the projected corners, clipped to the image.

    Args:
        pose, size: (n, 4), (n, 3).
        camera: batch of n.
        image_size: (n, 2) width and height of the image, px.

    Returns:
        (n, 4) left, top, right, bottom, px.
    """
    pixels = camera[:, None].project(corners(pose, size))
    low, high = pixels.amin(1), pixels.amax(1)
    zero = torch.zeros_like(image_size)
    return torch.cat((low.clamp(zero, image_size), high.clamp(zero, image_size)), 1)
