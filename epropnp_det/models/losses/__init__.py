"""Losses that mmdet does not have."""

from .mixture import MixtureNLLLoss, MixtureSmoothL1Loss
from .pose import MonteCarloPoseLoss, ReprojectionLoss, orientation_loss, position_loss
from .projection import projection_error

__all__ = [
    "MixtureNLLLoss",
    "MixtureSmoothL1Loss",
    "MonteCarloPoseLoss",
    "ReprojectionLoss",
    "orientation_loss",
    "position_loss",
    "projection_error",
]
