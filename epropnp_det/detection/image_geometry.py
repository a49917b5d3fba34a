"""How images were taken."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from epropnp_det.pnp import Camera


@dataclass(frozen=True)
class View:
    """How the images of a batch were taken.

    Args:
        camera: batch (B,), network-input px.
        extent: (B, 2) width and height of the unpadded images, px.
    """

    camera: Camera
    extent: Tensor
