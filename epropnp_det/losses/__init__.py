"""Losses shared by both families; torch alone."""

from .mixture import MixtureNLLLoss, MixtureSmoothL1Loss
from .pose_losses import (
    MonteCarloPoseLoss,
    ReprojectionLoss,
    derivative_losses,
    estimate_from_gt,
    pose_figures,
)
from .projection import projection_error
from .running_scale import RunningScale

__all__ = [
    "MixtureNLLLoss",
    "MixtureSmoothL1Loss",
    "MonteCarloPoseLoss",
    "ReprojectionLoss",
    "RunningScale",
    "derivative_losses",
    "estimate_from_gt",
    "pose_figures",
    "projection_error",
]
