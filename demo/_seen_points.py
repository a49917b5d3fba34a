"""The task of `compare_losses.py`: poses from points whose features encode, more or less exactly,
their place on the object.

A small dense-correspondence network replaces an image network; a code of the object point replaces
the features of a pixel. The network predicts x3d, x2d and w2d.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from _six_dof import random_poses
from torch import Tensor, nn

from epropnp_det.pnp import Camera, Correspondences, SE3Pose

FOCAL = 600.0
SIZE = (640, 480)
LOW = (-1.0, -1.0, 4.0)
HIGH = (1.0, 1.0, 6.0)
HALF_AXES = (1.0, 0.6, 0.4)
POINTS = 16
CODE = 8
WIDTH = 64
# Standard deviation of the encoded place on the object, smallest and largest [m], and of the image
# point [px].
SHARPEST = 0.01
VAGUEST = 1.0
PIXEL_NOISE = 1.0
# Pixels per unit of the inputs and outputs of the network.
PIXELS = 100.0
CAMERA = Camera.for_image([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]], SIZE)


@dataclass(frozen=True)
class Scenes:
    """Objects (B) and their observed points.

    Args:
        pose: (B, 7), ground truth.
        x3d: (B, N, 3), the points on the object [m].
        x2d: (B, N, 2), their projections [px].
        features: (B, N, CODE + 3), the input of the network.
    """

    pose: Tensor
    x3d: Tensor
    x2d: Tensor
    features: Tensor


def surface(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Points (*shape, 3) [m] on the object, an ellipsoid."""
    direction = torch.randn((*shape, 3), generator=generator)
    return direction / direction.norm(dim=-1, keepdim=True) * torch.tensor(HALF_AXES)


def code(x3d: Tensor) -> Tensor:
    """The appearance (..., CODE) of object points (..., 3): smooth, different everywhere, and the
    same in every run.
    """
    always = torch.Generator().manual_seed(1234)
    waves = 0.8 * torch.randn((3, CODE), generator=always)
    return (x3d @ waves + 2 * math.pi * torch.rand(CODE, generator=always)).sin()


def draw_scenes(number: int, generator: torch.Generator) -> Scenes:
    """Objects at random poses. The code of each point is that of a place with a Gaussian error; the
    features include the logarithm of its standard deviation.

    Half of the variance is an error that all points of an object share, as neighbouring pixels do.
    """
    pose = random_poses(number, LOW, HIGH, generator)
    x3d = surface((number, POINTS), generator)
    x2d = CAMERA.project(SE3Pose.transform(pose, x3d))
    vague = torch.rand((number, POINTS, 1), generator=generator)
    normal = (
        torch.randn((number, 1, 3), generator=generator)
        + torch.randn(x3d.shape, generator=generator)
    ) / math.sqrt(2)
    error = SHARPEST * (VAGUEST / SHARPEST) ** vague * normal
    pixel = x2d + PIXEL_NOISE * torch.randn(x2d.shape, generator=generator)
    return Scenes(
        pose,
        x3d,
        x2d,
        torch.cat(
            (code(x3d + error), 2 * vague - 1, (pixel - torch.tensor(SIZE) / 2) / PIXELS), dim=-1
        ),
    )


class Network(nn.Module):
    """Features (B, N, CODE + 3) to correspondences (B) and the scale (B, 2) of their weights."""

    def __init__(self) -> None:
        super().__init__()
        inputs = CODE + 3
        self.each = nn.Sequential(
            nn.Linear(inputs, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH), nn.SiLU()
        )
        self.together = nn.Sequential(
            nn.Linear(2 * WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, WIDTH),
            nn.SiLU(),
            nn.Linear(WIDTH, 7),
        )
        self.direct = nn.Linear(inputs, 7)
        self.log_scale = nn.Linear(WIDTH, 2)

    def forward(self, features: Tensor) -> tuple[Correspondences, Tensor]:
        each = self.each(features)
        mean = each.mean(1)
        output = self.together(
            torch.cat((each, mean[:, None].expand_as(each)), dim=-1)
        ) + self.direct(features)
        x3d, x2d, logits = output.split((3, 2, 2), dim=-1)
        scale = self.log_scale(mean).exp()
        return Correspondences(
            x3d, PIXELS * x2d + torch.tensor(SIZE) / 2, logits.softmax(dim=1) * scale[:, None]
        ), scale
