"""The loss functions of the detector by name, from a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet3d.models.builder import LOSSES, build_loss
from torch import nn

from epropnp_det.losses.mixture import MixtureNLLLoss, MixtureSmoothL1Loss
from epropnp_det.losses.pose_losses import MonteCarloPoseLoss, ReprojectionLoss

NEEDED = ("cls", "reference", "centerness", "pose", "size", "score", "velocity", "attribute")
AUXILIARY = ("projection", "coordinate", "depth")
OPTIONAL = ("bbox", *AUXILIARY)
# Factors of the derivative regularisation, which are numbers.
WEIGHTS = ("position", "orientation")

# Configs name these types as well as those of mmdet.
for function in (MixtureNLLLoss, MixtureSmoothL1Loss, MonteCarloPoseLoss, ReprojectionLoss):
    LOSSES.register_module(module=function)


def build_losses(config: Mapping[str, Any], auxiliary: bool) -> nn.ModuleDict:
    """Loss functions by name. They are the only owner of their running means.

    Args:
        config: settings of each loss; None leaves an optional one out.
        auxiliary: whether there is an auxiliary head.

    Raises:
        TypeError: an unknown name, or a needed one is missing.
        ValueError: losses of the auxiliary head without it.
    """
    for name in config.keys() - {*NEEDED, *OPTIONAL, *WEIGHTS}:
        raise TypeError(
            f"losses: unknown loss {name!r}; use {', '.join((*NEEDED, *OPTIONAL, *WEIGHTS))}"
        )
    for name in (*NEEDED, *WEIGHTS):
        if config.get(name) is None:
            raise TypeError(f"losses: {name!r} is missing")
    given = {
        name: settings
        for name, settings in config.items()
        if name not in WEIGHTS and settings is not None
    }
    orphans = [name for name in AUXILIARY if name in given and not auxiliary]
    if orphans:
        raise ValueError(
            f"losses {', '.join(orphans)} need the auxiliary head: set auxiliary=dict(roi_size=14)"
        )
    return nn.ModuleDict({name: build_loss(settings) for name, settings in given.items()})
