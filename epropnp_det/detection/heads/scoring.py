"""How well an object is localised: a score that the network predicts, and one that the pose
distribution implies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from epropnp_det.pnp import PoseSamples


def score_target(error: Tensor) -> Tensor:
    """Position error in bird's-eye view, m -> [0, 1]: a step of 1/4 for each factor of two between
    0.35 m and 5.7 m.
    """
    return ((2.5 - error.clamp(min=1e-6).log2()) / 4).clamp(0, 1)


def expected_score(samples: PoseSamples, pose: Tensor) -> Tensor:
    """What `score_target` is expected to be at poses (M, 4) if the posterior is right: its mean
    over the weighted samples, (M,).

    An object whose samples are broken gets 0.
    """
    error = (samples.pose - pose)[..., [0, 2]].norm(dim=-1)
    score = (samples.weights * score_target(error)).sum(0)
    return torch.where(samples.valid, score, 0.0)
