"""Reads checkpoints without running code from them, and matches them with a model key by key."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from epropnp_det.errors import UserError
from epropnp_det.weight_files import load_tensor_file

from .atomic_files import replacing

_SHOWN = 3  # keys named in a message


@dataclass(frozen=True)
class KeyMatch:
    """The keys of a checkpoint compared with those of a model.

    Args:
        missing: in the model only.
        unexpected: in the checkpoint only.
        wrong_shape: in both, with different shapes.
        matched: number of keys with equal shapes.
        other_classes: in both, with a part for each class, where the classes are not the same.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: tuple[str, ...]
    matched: int
    other_classes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.wrong_shape)

    def without(self, beginnings: tuple[str, ...]) -> KeyMatch:
        """The comparison of the keys that do not start with one of `beginnings`."""

        def kept(keys: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(key for key in keys if not key.startswith(beginnings))

        return replace(
            self,
            missing=kept(self.missing),
            unexpected=kept(self.unexpected),
            wrong_shape=kept(self.wrong_shape),
        )

    def __str__(self) -> str:
        parts = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.wrong_shape),
            ("of other classes, which keep their initial values", self.other_classes),
        )
        return (
            "; ".join(f"{len(keys)} {what} ({_first(keys)})" for what, keys in parts if keys)
            or "all keys match"
        )


@runtime_checkable
class HasTrainingWeights(Protocol):
    """A model with weights that serve training alone."""

    TRAINING_KEYS: tuple[str, ...]  # beginnings of their names


@runtime_checkable
class HasCalibration(Protocol):
    """A model whose distributions a checkpoint may calibrate."""

    def read_calibration(self, checkpoint: Mapping[str, Any]) -> None:
        """Takes the calibration of a checkpoint, or none where it has none.

        Raises:
            UserError: it is of another version, or broken.
        """


@runtime_checkable
class HasClassWiseWeights(Protocol):
    """A model some of whose weights belong to single classes."""

    CLASSES: Collection[str]

    def class_wise_keys(self) -> set[str]:
        """Names of the weights that have a part for each class, or for each attribute."""


def _first(keys: tuple[str, ...]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """A checkpoint file as a dict of tensors and plain values, on the CPU. Code inside the file is
    refused, not run.

    Raises:
        UserError: no such file, a folder, a truncated file, no checkpoint, or one with anything but
            tensors and plain values.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"checkpoint {path} is a folder; give a .pth file")
    if not path.exists():
        raise UserError(f"checkpoint {path} does not exist")
    if not path.is_file():
        raise UserError(f"checkpoint {path} is a pipe or a device; give a .pth file")
    if _is_damaged(path):
        raise UserError(f"checkpoint {path} is damaged: its bytes are not those that were written")
    return load_tensor_file(path)


def write_checkpoint(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Writes a checkpoint and the folders above it. A reader finds the old file or the new one,
    never a part of it.

    Raises:
        UserError: the path is a folder, or cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a .pth file to write")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, "wb", durable=True) as file:
            torch.save(checkpoint, file)
    except (OSError, RuntimeError) as error:  # torch wraps errors of the file system
        raise UserError(f"checkpoint {path} cannot be written: {_cause(error)}") from error


def _cause(error: BaseException) -> BaseException:
    """The error of the file system in a chain of exceptions; torch hides it behind its own."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__context__
    return found or error


def _is_damaged(path: Path) -> bool:
    """Whether the check sums of a file of torch do not fit; torch itself does not compare them."""
    try:
        with zipfile.ZipFile(path) as file:
            stored = all(each.compress_type == zipfile.ZIP_STORED for each in file.infolist())
            return stored and file.testzip() is not None
    except Exception:  # zipfile raises a dozen types here, depending on the bytes
        return False  # torch finds the fault, or it is a file of the form before torch 1.6


def state_dict_of(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights of a checkpoint, by the names they have in a model that is not wrapped; none if
    its state is no dict of names."""
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        return {}
    return {re.sub(r"^module\.", "", key): value for key, value in state.items()}


def match_keys(
    model: nn.Module, state: dict[str, Tensor], other_classes: Collection[str] = ()
) -> KeyMatch:
    """Compares names and shapes of a model's state with those of `state`.

    Args:
        other_classes: names of weights that count as of other classes, whatever their shape.
    """
    own = model.state_dict()
    shared = own.keys() & state.keys()
    # mmcv also saves non-persistent buffers, which a model computes and does not load.
    not_loaded = {name for name, _ in model.named_buffers(remove_duplicate=False)} - own.keys()
    foreign = sorted(shared & set(other_classes))
    comparable = shared - set(foreign)
    wrong_shape = sorted(key for key in comparable if own[key].shape != state[key].shape)
    return KeyMatch(
        missing=tuple(key for key in own if key not in shared),
        unexpected=tuple(key for key in state if key not in shared and key not in not_loaded),
        wrong_shape=tuple(wrong_shape),
        matched=len(comparable) - len(wrong_shape),
        other_classes=tuple(foreign),
    )


def load_weights(
    model: nn.Module, path: str | Path, besides: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Loads a checkpoint into a model that it fits completely, and returns the whole checkpoint.

    Args:
        besides: beginnings of keys that do not have to fit.

    Raises:
        UserError: as `read_checkpoint`, and for a checkpoint of another architecture.
    """
    checkpoint = read_checkpoint(path)
    state = state_dict_of(checkpoint)
    match = match_keys(model, state).without(besides)
    if not match.complete:
        raise UserError(
            f"checkpoint {path} is of another architecture than the config, {match.matched} keys "
            f"match: {match}"
        )
    # Nothing else is missing; computed buffers are left over.
    own = model.state_dict()
    usable = {
        key: value
        for key, value in state.items()
        if not key.startswith(besides) or (key in own and own[key].shape == value.shape)
    }
    model.load_state_dict(usable, strict=False)
    return checkpoint


def load_matching_weights(model: nn.Module, path: str | Path) -> KeyMatch:
    """Loads the weights of a checkpoint that fit the model, to start a training from them.

    A checkpoint names its classes. Where those of the model (`CLASSES`) are others, or in another
    order, the weights of single classes keep their initial values.

    Raises:
        UserError: as `read_checkpoint`, and for a checkpoint of which nothing fits.
    """
    checkpoint = read_checkpoint(path)
    state = state_dict_of(checkpoint)
    match = match_keys(model, state, _keys_of_other_classes(model, checkpoint))
    if match.matched == 0:
        raise UserError(f"checkpoint {path} shares no weight with the model: {match}")
    fitting = {
        key: value
        for key, value in state.items()
        if key not in {*match.unexpected, *match.wrong_shape, *match.other_classes}
    }
    model.load_state_dict(fitting, strict=False)
    return match


def _keys_of_other_classes(model: nn.Module, checkpoint: dict[str, Any]) -> set[str]:
    meta = checkpoint.get("meta")
    names = meta.get("CLASSES") if isinstance(meta, dict) else None
    if not isinstance(names, (list, tuple)) or not isinstance(model, HasClassWiseWeights):
        return set()
    return set() if tuple(names) == tuple(model.CLASSES) else model.class_wise_keys()
