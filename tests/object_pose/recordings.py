"""Recorded runs of the released 6DoF programs, and our modules with the recorded weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from epropnp_det.object_pose.heads import CorrespondenceHead
from epropnp_det.object_pose.network import UpsamplingDecoder
from epropnp_det.object_pose.problem import PointSettings
from epropnp_det.object_pose.released.key_names import translate
from epropnp_det.object_pose.rigid_pose import RigidPose
from epropnp_det.object_pose.structures import CorrespondenceMaps, PatchGeometry

# Channels of the recorded narrow head.
INPUT, FILTERS = 8, 16


def recording(folder: Path, name: str) -> dict[str, Any]:
    return torch.load(folder / f"{name}.pt", weights_only=True)


def point_settings(version: str) -> PointSettings:
    """The settings of the released programs."""
    return PointSettings(weight_rule=version, cell_offset=0.0, match_train_weights=False)


def geometry_of(recorded: Mapping[str, Tensor]) -> PatchGeometry:
    """Where the released programs put the crop: centre and side cut to integers."""
    number = len(recorded["box_size"])
    side = recorded["box_size"].trunc()
    return PatchGeometry(
        recorded["box_center"].trunc() - side[:, None] / 2,
        side,
        recorded["K"].expand(number, 3, 3),
        recorded["extent"],
        torch.zeros(number, dtype=torch.long),
    )


def narrow_network(state: Mapping[str, Tensor]) -> nn.ModuleDict:
    """Decoder and head with the recorded weights, nothing missing and nothing left over."""
    network = nn.ModuleDict(
        dict(neck=UpsamplingDecoder(INPUT, FILTERS), head=CorrespondenceHead(FILTERS))
    ).double()
    ours = translate(state)
    ours.pop("losses.pose.scale", None)
    network.load_state_dict(ours)
    return network


def maps_of(network: nn.ModuleDict, features: Tensor) -> CorrespondenceMaps:
    """Output of the network for features (B, 8, 8, 8) of the backbone."""
    index = torch.zeros(len(features), dtype=torch.long)
    return network["head"](network["neck"]([features]), index)


def pose_from_matrix(matrix: Tensor) -> Tensor:
    """Poses (..., 7) of matrices [R | t] (..., 3, 4)."""
    whole = matrix.double().numpy()
    return torch.from_numpy(RigidPose(whole[..., :3], whole[..., 3]).to_vector())
