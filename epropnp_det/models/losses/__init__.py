"""Losses that mmdet does not have."""

from .mixture import MixtureNLLLoss
from .pose import MonteCarloPoseLoss, orientation_loss, position_loss
from .projection import projection_error

__all__ = ["MixtureNLLLoss", "MonteCarloPoseLoss", "orientation_loss", "position_loss", "projection_error"]
