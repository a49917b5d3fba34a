"""Losses that mmdet does not have."""

from .pose import MonteCarloPoseLoss, orientation_loss, position_loss

__all__ = ["MonteCarloPoseLoss", "orientation_loss", "position_loss"]
