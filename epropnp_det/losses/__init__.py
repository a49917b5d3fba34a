"""Losses that mmdet does not have, shared by both families."""

from epropnp_det import compat

from .mixture import MixtureNLLLoss, MixtureSmoothL1Loss
from .pose_losses import MonteCarloPoseLoss, ReprojectionLoss, orientation_loss, position_loss
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
