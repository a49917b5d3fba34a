"""Cameras and sizes of images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from epropnp_det.pnp import Camera
from epropnp_det.pnp._records import Record


@dataclass(frozen=True)
class ImageGeometry(Record):
    """Cameras and sizes of the images of a batch; `geometry[index]` selects images.

    Args:
        camera: batch (B,), network-input px.
        image_size: (B, 2) width and height of the unpadded images, px.
    """

    camera: Camera
    image_size: Tensor
