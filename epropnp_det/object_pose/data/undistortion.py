"""Images and boxes of a lens with distortion, as a pinhole of the same camera matrix has them."""

from __future__ import annotations

import cv2
import numpy as np

from epropnp_det.engine.lens import Lens
from epropnp_det.errors import UserError

from ..rigid_pose import project

# Points on each side of a box.
_POINTS = 32


def undistorted_image(image: np.ndarray, lens: Lens) -> np.ndarray:
    """The image (H, W, 3) that the pinhole takes; black where the lens shows nothing."""
    size = (image.shape[1], image.shape[0])
    return cv2.remap(image, *lens.maps(lens.matrix, size), cv2.INTER_LINEAR)


def undistorted_boxes(boxes: np.ndarray, lens: Lens) -> np.ndarray:
    """The boxes (B, 4) x, y, w, h [px] around the border lines of given ones (B, 4).

    Raises:
        UserError: the lens shows no direction at a box.
    """
    side = np.linspace(0, 1, _POINTS)
    ends = np.zeros_like(side)
    unit = np.concatenate(
        [np.stack(pair, axis=1) for pair in ((side, ends), (side, ends + 1))]
        + [np.stack(pair, axis=1) for pair in ((ends, side), (ends + 1, side))]
    )
    return np.array([_undistorted_box(box[:2] + unit * box[2:], lens) for box in boxes])


def _undistorted_box(border: np.ndarray, lens: Lens) -> np.ndarray:
    """The box (4,) around pixels (N, 2) of the lens."""
    rays = lens.rays(border)
    seen = rays[np.isfinite(rays).all(axis=1)]
    seen = seen[seen[:, 2] > 0]
    if len(seen) == 0:
        raise UserError(
            f"the lens shows no direction at the box around pixel {border[0].round(1).tolist()}; "
            "correct the box or the coefficients of distortion"
        )
    pixels = project(seen, lens.matrix)
    low = pixels.min(axis=0)
    return np.concatenate([low, pixels.max(axis=0) - low])
