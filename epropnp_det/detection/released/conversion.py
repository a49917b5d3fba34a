"""Checkpoints of the released EPro-PnP-Det programs under the names of this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from epropnp_det.engine.checkpoint import KeyMatch, match_keys, read_checkpoint, state_dict_of
from epropnp_det.engine.config import build_model, load_config
from epropnp_det.errors import UserError

from .key_names import our_name

HEAD = "bbox_head."
_SHAPES_OF = {
    "corr_reg.weight",
    "corr_regs.1.weight",
    "cls_emb",
    "attention_sampler.sampling_offsets.weight",
}


@dataclass(frozen=True)
class Architecture:
    """A released architecture. Models that were trained in other ways have the same weights by name
    and shape.

    Args:
        name: as the command line calls it.
        config: file name of the config whose model takes the weights.
        equivalent: file names of the configs that give the same detections.
        signature: shapes of those head parameters that distinguish the architectures; others of
            `_SHAPES_OF` must be absent.
    """

    name: str
    config: str
    equivalent: tuple[str, ...]
    signature: Mapping[str, tuple[int, ...]]


_V1B = {"corr_regs.1.weight": (8, 5, 32), "attention_sampler.sampling_offsets.weight": (256, 256)}
ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture(
            "v1",
            "epropnp_det_coord_regr.py",
            ("epropnp_det_basic.py", "epropnp_det_coord_regr_trainval.py"),
            dict(_V1B, **{"attention_sampler.sampling_offsets.weight": (512, 256)}),
        ),
        Architecture("v1b_220312", "epropnp_det_v1b_220312.py", (), _V1B),
        Architecture("v1b_220411", "epropnp_det_v1b_220411.py", (), dict(_V1B, cls_emb=(10, 256))),
        Architecture(
            "v2",
            "epropnp_det_v2.py",
            ("epropnp_det_v2_trainval.py",),
            {
                "corr_reg.weight": (8, 5, 32),
                "attention_sampler.sampling_offsets.weight": (256, 256),
                "cls_emb": (10, 256),
            },
        ),
    )
}


@dataclass(frozen=True)
class Conversion:
    """Weights under our names, and how they fit the model of the config."""

    architecture: Architecture
    config: Path
    first_pixel: float  # where the model puts the centre of pixel (0, 0)
    state: dict[str, Tensor]
    match: KeyMatch


def convert(
    path: str | Path, configs: Path, model: str = "auto", head_only: bool = False
) -> Conversion:
    """Reads a released checkpoint and renames its weights; weights that the model does not have are
    left out.

    Args:
        path: the released checkpoint.
        configs: folder of the configs of the released models.
        model: a name of `ARCHITECTURES`, or "auto" to recognise it from names and shapes.
        head_only: leave backbone and neck out; the checkpoint need not have them.

    Raises:
        UserError: what `read_checkpoint` refuses, an architecture that is not known, and weights
            that are missing or of another shape.
    """
    state = state_dict_of(read_checkpoint(path))
    architecture = recognise(state, path) if model == "auto" else ARCHITECTURES[model]
    config = load_config(configs / architecture.config)
    with torch.device("meta"):
        built = build_model(config)
    # Names that no released model has stay as they are: the comparison reports them.
    renamed = {_renamed(key): value for key, value in state.items()}
    if head_only:
        built = torch.nn.ModuleDict(dict(bbox_head=built.get_submodule("bbox_head")))
        renamed = {key: value for key, value in renamed.items() if key.startswith(HEAD)}
    match = match_keys(built, renamed)
    if match.missing or match.wrong_shape:
        raise UserError(
            f"checkpoint {path} is not a whole {architecture.name} model, {match.matched} weights fit: {match}"
        )
    known = {key: value for key, value in renamed.items() if key not in match.unexpected}
    return Conversion(
        architecture,
        configs / architecture.config,
        config.data.test.pipeline[0].get("first_pixel", 0.5),
        known,
        match,
    )


def recognise(state: Mapping[str, Tensor], path: str | Path) -> Architecture:
    """The released architecture that these weights, by their names and shapes, are of.

    Args:
        state: state dict of the whole model.
        path: for messages.

    Raises:
        UserError: none of them; the message names the most similar one.
    """
    head = {
        key.removeprefix(HEAD): tuple(value.shape)
        for key, value in state.items()
        if key.startswith(HEAD)
    }
    shapes = {name: shape for name, shape in head.items() if name in _SHAPES_OF}
    for architecture in ARCHITECTURES.values():
        if shapes == architecture.signature:
            return architecture
    raise UserError(f"checkpoint {path} {_stranger(head)}; known are {', '.join(ARCHITECTURES)}")


def _stranger(head: Mapping[str, tuple[int, ...]]) -> str:
    if not head:
        return "has no detection head (no weight is called bbox_head.*)"
    if any(name.startswith("objects.") for name in head):
        return "has the names of this program already: nothing to convert"
    return f"is not a released EPro-PnP-Det model (its head starts with {HEAD}{next(iter(head))})"


def _renamed(key: str) -> str:
    """Our name of a weight of the whole model; itself where it is no parameter of a released
    head.
    """
    ours = our_name(key.removeprefix(HEAD)) if key.startswith(HEAD) else None
    return key if ours is None else HEAD + ours
