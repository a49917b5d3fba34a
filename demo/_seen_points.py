"""The task of `compare_losses.py`: an object seen as points that say, more or less clearly, which
part of it they show.

A small dense-correspondence network in place of a big one: what a pixel's features are to an image
network, a code of the object point is to this one. All of x3d, x2d and w2d come from the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from _six_dof import random_poses
from torch import Tensor, nn

from epropnp_det.pnp import Camera, Correspondences, SE3Pose

FOCAL, SIZE = 600.0, (640, 480)
LOW, HIGH = (-1.0, -1.0, 4.0), (1.0, 1.0, 6.0)
HALF_AXES = (1.0, 0.6, 0.4)
POINTS, CODE, WIDTH = 16, 8, 64
# Errors of what a point says about its place on the object, from sharp to nearly useless [m]; and
# of where it is seen [px].
SHARPEST, VAGUEST, PIXEL_NOISE = 0.01, 1.0, 1.0
# A unit of what goes in and out of the network, in pixels.
PIXELS = 100.0
CAMERA = Camera.for_image([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]], SIZE)


@dataclass(frozen=True)
class Scenes:
    """Objects (B) and what is seen of them.

    Args:
        pose: (B, 7), the truth.
        x3d: (B, N, 3), the true places of the points on the object [m].
        x2d: (B, N, 2), where they are in the image [px].
        features: (B, N, CODE + 3), what the network sees.
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
    """The appearance (..., CODE) of object points (..., 3): smooth, and different everywhere; the
    same for ever.
    """
    always = torch.Generator().manual_seed(1234)
    waves = 0.8 * torch.randn((3, CODE), generator=always)
    return (x3d @ waves + 2 * math.pi * torch.rand(CODE, generator=always)).sin()


def draw_scenes(number: int, generator: torch.Generator) -> Scenes:
    """Objects at random poses. Each point sees a place that is wrong by a Gaussian error of its own
    width, and says how wide it is.

    Half of the variance is the same error for all points of an object: neighbours in an image err
        alike.
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
