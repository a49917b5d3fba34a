"""Results of images that no model has seen: objects with calibrated distributions around known
boxes.
"""

from __future__ import annotations

import numpy as np
import torch

from epropnp_det.detection.boxes import Boxes3D
from epropnp_det.detection.evaluation.pose_distributions import ImageResult

MATRIX = np.array([[1266.0, 0.0, 816.0], [0.0, 1266.0, 491.0], [0.0, 0.0, 1.0]])
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
