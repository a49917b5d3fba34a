"""Results of images that no model has seen: objects with calibrated distributions around known
boxes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.detection.evaluation.box_table import make_table
from epropnp_det.detection.evaluation.distance_metrics import DistanceSettings
from epropnp_det.detection.evaluation.pose_distributions import ImageResult
from epropnp_det.detection.evaluation.reliability import image_reliability
from epropnp_det.detection.reports.page_content import (
    ImageSettings,
    class_results,
    region_coverage,
    shown_image,
)
from epropnp_det.drawing.html_page import Number, Page
from epropnp_det.pnp import Correspondences, YawPose

MATRIX = np.array([[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]])
# It would run where a page took it for HTML.
HOSTILE_NAME = "</script><img src=x onerror=\"document.title='ran'\"><script>document.title='ran'"
SPREAD = torch.tensor([0.1, 0.05, 0.8, 0.15])  # of x, y, z [m] and yaw [rad]


def synthetic_result(objects: int, seed: int = 0, samples: int = 128) -> ImageResult:
    """Every true box is found once, off by a draw of its own distribution: so the samples around it
    are calibrated.
    """
    rng = torch.Generator().manual_seed(seed)
    z = torch.rand(objects, generator=rng) * 30 + 10
    x = (torch.rand(objects, generator=rng) - 0.5) * z * 0.8
    y = torch.ones(objects)
    yaw = (torch.rand(objects, generator=rng) - 0.5) * 2 * torch.pi
    truth = torch.stack([x, y, z, yaw], dim=1)
    pose = truth + SPREAD * torch.randn(objects, 4, generator=rng)
    size = torch.tensor([[4.6, 1.7, 1.9]]).repeat(objects, 1)
    label = torch.arange(objects) % 10
    found = Boxes3D(
        pose=pose,
        size=size,
        velocity=torch.zeros(objects, 2),
        score=torch.linspace(0.9, 0.3, objects),
        label=label,
        attribute=torch.zeros(objects, dtype=torch.long),
        covariance=torch.diag(SPREAD**2).expand(objects, 4, 4),
        sample_pose=pose[:, None] + SPREAD * torch.randn(objects, samples, 4, generator=rng),
        sample_weight=torch.full((objects, samples), 1 / samples),
        points=_points(pose, size, rng),
    )
    pixels = np.full((900, 1600, 3), 90, np.uint8)
    return ImageResult(
        "samples/CAM_FRONT/made-up__CAM_FRONT__1.jpg",
        pixels,
        MATRIX,
        found,
        Boxes3D(truth, size, label),
        torch.arange(objects),
    )


def _points(pose: torch.Tensor, size: torch.Tensor, rng: torch.Generator) -> Correspondences:
    """Sixteen points in each box, where the camera sees them."""
    x3d = (torch.rand(len(pose), 16, 3, generator=rng) - 0.5) * size[:, None]
    ray = (YawPose.transform(pose, x3d)) @ torch.from_numpy(MATRIX).float().T
    w2d = torch.rand(len(pose), 16, 2, generator=rng)
    return Correspondences(x3d, ray[..., :2] / ray[..., 2:], w2d)


def example_page(objects: int) -> Page:
    """A report of one image: the detection of the lowest score belongs to no true box, so the last
    true box is missed.
    """
    result = synthetic_result(objects)
    match = result.match.clone()
    match[-1:] = -1
    result = replace(result, match=match)
    tables = make_table([result.detections]), make_table([result.truth])
    compared = image_reliability(result, NUSCENES)
    return Page(
        title="Objects",
        lead="An example.",
        class_names=NUSCENES.class_names,
        images=(shown_image(result, NUSCENES, ImageSettings.for_images(1, 0.1)),),
        score=0.2,
        least_score=0.1,
        numbers=(Number("NDS", "0.412", "1 is perfect"),),
        classes=class_results(*tables, NUSCENES, DistanceSettings()),
        coverage=(region_coverage("all objects", compared),) if compared.with_distribution else (),
        commands=("python a.py <x>",),
    )
