"""Exports backbone and neck of a detector under the names of multi-camera detectors."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from epropnp_det.errors import UserError

from .checkpoint import read_checkpoint, state_dict_of

PARTS = ("backbone.", "neck.")


def export(
    path: str | Path, prefix: str = "img_", parts: tuple[str, ...] = PARTS
) -> dict[str, Tensor]:
    """Weights of backbone and neck, `backbone.conv1.weight` as `img_backbone.conv1.weight`. The
    head is left out.

    Args:
        path: a checkpoint of this project, or of any detector of mmdet and mmdet3d with parts of
            these names.
        prefix: put in front of the names.
        parts: one or both of "backbone." and "neck." to take.

    Raises:
        UserError: as `read_checkpoint`, and for a checkpoint without one of the parts.
    """
    state = state_dict_of(read_checkpoint(path))
    for part in parts:
        if not any(key.startswith(part) for key in state):
            beginnings = ", ".join(list(dict.fromkeys(key.split(".")[0] for key in state))[:5])
            raise UserError(
                f"checkpoint {path} has no weight called {part}*; its names start with {beginnings}"
            )
    return {prefix + key: value for key, value in state.items() if key.startswith(parts)}
