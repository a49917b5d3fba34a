"""Checkpoints of released programs under our names. Each family of models describes its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmcv import Config
from torch import Tensor, nn

from epropnp_det.errors import UserError

from .checkpoint import KeyMatch, match_keys, read_checkpoint, state_dict_of
from .config import build_model, load_config


@dataclass(frozen=True)
class Architecture:
    """A released architecture. Models that were trained in other ways have the same weights by name
    and shape.

    Args:
        name: as the command line calls it.
        config: file name of the config whose model takes the weights.
        equivalent: file names of the configs of models with the same weights and results.
        signature: shapes of released weights by which the architecture is recognised; None for a
            weight that it does not have.
        fresh: prefixes of weights of ours that the checkpoint does not have.
    """

    name: str
    config: str
    equivalent: tuple[str, ...]
    signature: Mapping[str, tuple[int, ...] | None]
    fresh: tuple[str, ...] = ()

    def fits(self, state: Mapping[str, Tensor]) -> bool:
        """Whether the weights are of this architecture."""
        found = {key: tuple(state[key].shape) if key in state else None for key in self.signature}
        return found == dict(self.signature)


@dataclass(frozen=True)
class ReleasedFamily:
    """The released architectures of one family of models.

    Args:
        title: name of the released programs.
        folder: where the configs are, below the folder of all configs.
        architectures: all that are known.
        our_name: from a released weight of the whole model to our name, None where it is dropped;
            a name that no released model has stays as it is.
        released_head: prefix of the head's weights in released checkpoints.
        our_head: prefix of weights that our models alone have.
        head_modules: modules of our model that a conversion of the head alone keeps.
        first_pixel: where the data of a config put the centre of pixel (0, 0); None where that
            does not depend on the config.
    """

    title: str
    folder: str
    architectures: tuple[Architecture, ...]
    our_name: Callable[[str], str | None]
    released_head: str
    our_head: str
    head_modules: tuple[str, ...]
    first_pixel: Callable[[Config], float | None]


@dataclass(frozen=True)
class Conversion:
    """Weights under our names, and how they fit the model of the config."""

    architecture: Architecture
    config: Path
    first_pixel: float | None  # where the model puts the centre of pixel (0, 0)
    state: dict[str, Tensor]
    match: KeyMatch
    dropped: tuple[str, ...]  # released weights that no model of ours has a place for


def convert(
    path: str | Path,
    configs: Path,
    families: Sequence[ReleasedFamily],
    model: str = "auto",
    head_only: bool = False,
) -> Conversion:
    """Reads a released checkpoint and renames its weights; weights that the model does not have are
    left out.

    Args:
        path: the released checkpoint.
        configs: folder of all configs.
        families: whose architectures are known.
        model: name of an architecture, or "auto" to recognise it from names and shapes.
        head_only: leave backbone and neck out; the checkpoint need not have them.

    Raises:
        UserError: what `read_checkpoint` refuses, an architecture that is not known, and weights
            that are missing or of another shape.
    """
    released = state_dict_of(read_checkpoint(path))
    family, architecture = (
        recognise(released, path, families) if model == "auto" else find(model, families)
    )
    config = load_config(configs / family.folder / architecture.config)
    with torch.device("meta"):
        built = build_model(config)
    names = {key: family.our_name(key) for key in released}
    state = {ours: released[key] for key, ours in names.items() if ours is not None}
    if head_only:
        built = nn.ModuleDict({name: built.get_submodule(name) for name in family.head_modules})
        kept = tuple(f"{name}." for name in family.head_modules)
        state = {key: value for key, value in state.items() if key.startswith(kept)}
    match = match_keys(built, state)
    missing = [key for key in match.missing if not key.startswith(architecture.fresh)]
    if missing or match.wrong_shape:
        raise UserError(
            f"checkpoint {path} is not a whole {architecture.name} model, "
            f"{match.matched} weights fit: {match}"
        )
    return Conversion(
        architecture,
        configs / family.folder / architecture.config,
        family.first_pixel(config),
        {key: value for key, value in state.items() if key not in match.unexpected},
        match,
        tuple(key for key, ours in names.items() if ours is None),
    )


def recognise(
    state: Mapping[str, Tensor], path: str | Path, families: Sequence[ReleasedFamily]
) -> tuple[ReleasedFamily, Architecture]:
    """The released architecture that these weights of a whole model, by their names and shapes, are
    of.

    Raises:
        UserError: none of them; the message describes the weights by their names.
    """
    for family in families:
        for architecture in family.architectures:
            if architecture.fits(state):
                return family, architecture
    known = ", ".join(each.name for family in families for each in family.architectures)
    raise UserError(f"checkpoint {path} {_describe_stranger(state, families)}; known are {known}")


def find(model: str, families: Sequence[ReleasedFamily]) -> tuple[ReleasedFamily, Architecture]:
    """The architecture of that name, and its family.

    Raises:
        UserError: there is none.
    """
    for family in families:
        for architecture in family.architectures:
            if architecture.name == model:
                return family, architecture
    raise UserError(f"model {model} is unknown; use auto to recognise it from the weights")


def _describe_stranger(state: Mapping[str, Tensor], families: Sequence[ReleasedFamily]) -> str:
    if any(key.startswith(family.our_head) for family in families for key in state):
        return "has the names of this program already: nothing to convert"
    for family in families:
        head = next((key for key in state if key.startswith(family.released_head)), None)
        if head is not None:
            return f"is not a released {family.title} model (its head starts with {head})"
    heads = " or ".join(f"{family.released_head}*" for family in families)
    return f"has no head of a released model (no weight is called {heads})"
