"""Objects whose posterior is too sharp by a known factor."""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.calibration.objects import CalibrationObjects
from epropnp_det.pnp import Correspondences, EProPnP4DoF, PnPProblem, YawPose
from tests.pnp.scenes import camera, seeded, uniform

NOISE = 2.0  # px


def too_sharp(number: int, temperature: Tensor, seed: int, points: int = 32) -> CalibrationObjects:
    """n objects whose true posterior is p(y|X)^(1/T): image points with normal noise, whose weights
    are sqrt(T) over its standard deviation. Plain least squares, so that the law is exact.

    Args:
        number: n; every second object is of class 1.
        temperature: T (n,).
        seed: start of the random numbers.
    """
    generator = seeded(seed)
    size = torch.tensor([4.0, 1.6, 1.8], dtype=torch.float64)
    x3d = (uniform((number, points, 3), -0.5, 0.5, generator)) * size
    low = torch.tensor([-4.0, 0.5, 12.0, -3.0], dtype=torch.float64)
    high = torch.tensor([4.0, 1.5, 24.0, 3.0], dtype=torch.float64)
    truth = low + (high - low) * uniform((number, 4), 0.0, 1.0, generator)
    noise = NOISE * torch.randn((number, points, 2), generator=generator, dtype=torch.float64)
    cameras = camera()[None].expand(number)
    x2d = cameras[:, None].project(YawPose.transform(truth, x3d)) + noise
    weight = (temperature.double().sqrt() / NOISE)[:, None, None].expand_as(x2d)
    points_ = Correspondences(x3d.float(), x2d.float(), weight.float())
    problem = PnPProblem(points_, cameras.to(torch.float32), torch.ones(number), robust="none")
    layer = EProPnP4DoF(init=None, lm_iterations=20)
    pose = layer.solve(problem, truth.float()).pose
    return CalibrationObjects(
        problem=problem,
        pose=pose,
        truth=truth.float(),
        label=torch.arange(number) % 2,
        image=torch.arange(number),
        symmetric=torch.zeros(number, dtype=torch.bool),
        oriented=torch.ones(number, dtype=torch.bool),
    )
