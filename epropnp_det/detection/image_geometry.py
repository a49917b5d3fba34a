"""How images were taken."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from epropnp_det.pnp import Camera


@dataclass(frozen=True)
class ImageGeometry:
    """How the images of a batch were taken.

    Args:
        camera: batch (B,), network-input px.
        image_size: (B, 2) width and height of the unpadded images, px.
    """

    camera: Camera
    image_size: Tensor
