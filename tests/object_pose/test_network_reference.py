"""The full-size network, and the narrow head, give the numbers of the released programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.models.builder import build_backbone
from torch import Tensor, nn

from epropnp_det.object_pose.heads import CorrespondenceHead
from epropnp_det.object_pose.network import UpsamplingDecoder
from epropnp_det.object_pose.released.key_names import translate
from tests.tolerances import RECORDED_FLOAT64

from .recordings import maps_of, narrow_network, recording


def close(ours: Tensor, recorded: Tensor) -> None:
    torch.testing.assert_close(
        ours, recorded, rtol=RECORDED_FLOAT64, atol=RECORDED_FLOAT64 * float(recorded.abs().max())
    )


def uniform(number: int, count: int, salt: int) -> np.ndarray:
    """SplitMix64 numbers in [0, 1), as the folder's README defines them."""
    with np.errstate(over="ignore"):
        start = (number << 32) + (salt << 56) + 0x9E3779B97F4A7C15
        x = np.arange(count, dtype=np.uint64) + np.uint64(start % 2**64)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53


def formula_weight(name: str, shape: torch.Size, number: int, salt: int) -> Tensor:
    drawn = torch.from_numpy(uniform(number, shape.numel(), salt)).reshape(shape)
    if name.endswith("running_var"):
        return 0.5 + drawn
    if name.endswith("running_mean"):
        return 0.2 * (drawn - 0.5)
    if name.endswith("norm_factor"):
        return 1 + drawn
    if len(shape) == 1:
        return 0.75 + 0.5 * drawn if name.endswith("weight") else 0.2 * (drawn - 0.5)
    return (2 * drawn - 1) * (3 / shape[1:].numel()) ** 0.5


def full_network(recorded: dict) -> nn.ModuleDict:
    """ResNet-34, decoder and head with the weights of the formula."""
    backbone = build_backbone(dict(type="ResNet", depth=34, out_indices=(3,), norm_eval=False))
    network = nn.ModuleDict(
        dict(backbone=backbone, neck=UpsamplingDecoder(), head=CorrespondenceHead(256))
    ).double()
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    released = {}
    for number, name in enumerate(recorded["names"]):
        ours = next(iter(translate({name: None})))
        shape = shapes.get(ours, torch.Size([1]))
        released[name] = formula_weight(name, shape, number, recorded["salt"])
    first = torch.stack([value.flatten()[0] for value in released.values()])
    torch.testing.assert_close(first, recorded["first_weights"], rtol=0, atol=0)
    state = translate(released)
    state.pop("losses.pose.scale")
    counters = {k: v for k, v in network.state_dict().items() if k.endswith("batches_tracked")}
    network.load_state_dict(state | counters)
    return network.eval()


@pytest.mark.parametrize("version", ["v1", "v2"])
@torch.no_grad()
def test_full_network(version: str, reference_folder: Path):
    recorded = recording(reference_folder, f"full_network_{version}")
    network = full_network(recorded)
    image = uniform(1000, 2 * 3 * 256 * 256, recorded["salt"]).reshape(2, 3, 256, 256)
    levels = network["backbone"](torch.from_numpy(image))
    close(levels[-1].flatten(2)[:, ::37, ::9], recorded["features"])
    maps = network["head"](network["neck"](levels), torch.zeros(2, dtype=torch.long))
    cells = recorded["cells"]
    close(maps.noc.flatten(2)[..., cells], recorded["noc"])
    close(maps.logit.flatten(2)[..., cells], recorded["logit"])
    close(maps.scale, recorded["scale"])
    close(maps.noc.mean((2, 3)), recorded["noc_mean"])
    close(maps.logit.mean((2, 3)), recorded["logit_mean"])


@pytest.mark.parametrize("version", ["v1", "v2"])
@torch.no_grad()
def test_narrow_head(version: str, reference_folder: Path):
    recorded = recording(reference_folder, f"six_dof_{version}")
    state = {f"rot_head_net.{name}": value for name, value in recorded["head"].items()}
    maps = maps_of(narrow_network(state).eval(), recorded["features"])
    for name in ("noc", "logit", "scale"):
        close(getattr(maps, name), recorded[name])
