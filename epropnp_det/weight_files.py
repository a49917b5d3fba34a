"""Files of weights that others wrote: tensors and plain values alone, nothing in them is run.

Checkpoints, weights by URL and by name of a model zoo, and pickles that mmcv reads come here.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from epropnp_det.errors import UserError

_BUILTINS = ("bytearray", "complex", "frozenset", "set")
_PLAIN_TYPES = frozenset(
    {
        *(("builtins", name) for name in _BUILTINS),
        *(("__builtin__", name) for name in _BUILTINS),  # of Python 2, and of its protocol
        ("_codecs", "encode"),
        ("collections", "OrderedDict"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
    }
)


def load_tensor_file(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The checkpoint in a local file: tensors and plain values.

    Args:
        path: the file, which exists.
        map_location: torch's: where the tensors go.

    Raises:
        UserError: the file has code, is truncated, or holds no weights by name.
    """
    return load_tensors(
        f"checkpoint {path}",
        lambda: torch.load(path, map_location=map_location, weights_only=True),
    )


def load_tensors(where: str, load: Callable[[], Any]) -> dict[str, Any]:
    """A checkpoint of tensors and plain values.

    Args:
        where: names the file in messages.
        load: returns its content, by `torch.load` with `weights_only`.

    Raises:
        UserError: the file has code, is truncated, or holds no weights by name.
    """
    try:
        checkpoint = load()
    except UserError:
        raise
    except Exception as error:  # torch raises a dozen types here, depending on the bytes
        raise UserError(f"{where} {_fault(error)}") from error
    if not isinstance(checkpoint, dict):
        raise UserError(f"{where} holds no model weights, but a {type(checkpoint).__name__}")
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, dict) or not state:
        raise UserError(f"{where} holds no model weights: its state_dict is no dict, or empty")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UserError(
                f"{where} holds no model weights: key {key!r:.80} is not the name of a tensor, "
                f"but a {type(key).__name__} with a {type(value).__name__}"
            )
    return checkpoint


def _fault(error: Exception) -> str:
    refused = re.search(
        r"(?:Unsupported global: GLOBAL|Unsupported class|GLOBAL) (\S+)", str(error)
    )
    if isinstance(error, pickle.UnpicklingError) and refused:
        return (
            f"is refused: it holds Python code or objects ({refused.group(1)}); only tensors and "
            "plain values are loaded"
        )
    return "is truncated or not a checkpoint written by torch"


class PlainUnpickler(pickle.Unpickler):
    """A reader of pickles that makes arrays and plain values, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Python's lookup of a class.

        Raises:
            UserError: any class but those of arrays and plain values.
        """
        if (module, name) not in _PLAIN_TYPES:
            raise UserError(
                f"the pickle is refused: it holds Python code or objects ({module}.{name}); only "
                "arrays and plain values are loaded"
            )
        return super().find_class(module, name)


def load_plain_pickle(file: IO[bytes], **settings: Any) -> Any:
    """`pickle.load` of arrays and plain values.

    Raises:
        UserError: the pickle has code or objects.
    """
    return PlainUnpickler(file, **settings).load()
