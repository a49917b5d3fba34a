"""A second pass of a test: the object is cut once more around the pose that the first patch gave,
with several sides, and the points of all patches make one problem.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from epropnp_det.pnp import Camera, Correspondences, PnPProblem, SE3Pose

from .structures import PatchGeometry

# The side of a view's patch, at most so many times larger or smaller than that of the first.
_LARGEST_CHANGE = 3.0
_CORNERS = tuple(itertools.product((-1.0, 1.0), repeat=3))


def around_object(
    first: PatchGeometry, camera: Camera, pose: Tensor, scale: float
) -> PatchGeometry:
    """Patches (B,) around the projected boxes of objects.

    A patch whose centre lies outside the first one, or whose side is more than three times larger
    or smaller, cannot be right: the object keeps its first patch.

    Args:
        first: (B,) the patches so far.
        camera: (B,) of the image.
        pose: (B, 7) x, y, z [m], qw, qx, qy, qz: object to camera frame.
        scale: side of a patch in longer sides of the projected box.
    """
    corners = pose.new_tensor(_CORNERS) * first.half_extent[:, None]
    pixel = camera.each_point().project(SE3Pose.transform(pose, corners))
    low, high = pixel.aminmax(dim=1)
    side = scale * (high - low).amax(-1)
    center = (low + high) / 2
    shift = (center - first.origin - first.side[:, None] / 2).abs().amax(-1)
    change = (side / first.side).log().abs()
    is_near = (shift < first.side / 2) & (change < math.log(_LARGEST_CHANGE))
    return replace(
        first,
        origin=torch.where(is_near[:, None], center - side[:, None] / 2, first.origin),
        side=torch.where(is_near, side, first.side),
    )


def joined(problems: Sequence[PnPProblem], relative_delta: float) -> PnPProblem:
    """One problem (B,) of the points of several; the camera is that of the first.

    Further views of the same pixels add hardly any information, so the costs are averaged, not
    added: each weight is divided by the root of their number.

    Args:
        relative_delta: factor of the adaptive Huber threshold.
    """
    share = len(problems) ** -0.5
    parts = [each.points for each in problems]
    points = Correspondences(
        torch.cat([each.x3d for each in parts], 1),
        torch.cat([each.x2d for each in parts], 1),
        torch.cat([each.w2d for each in parts], 1) * share,
    )
    return PnPProblem.adaptive(points, problems[0].camera, relative_delta)
