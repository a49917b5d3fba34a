"""Configs read, and models and datasets built from them; a mistake in a config becomes one clear
line.
"""

from __future__ import annotations

import copy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmcv import Config, ConfigDict
from torch import nn

from epropnp_det.errors import UserError

from .registry import MODELS

# What mmcv's registries raise when a key is unknown, missing or wrong. The type is kept, the name
# of the class put in front.
_CONFIG_FAULTS = (TypeError, ValueError, KeyError, AttributeError, AssertionError)


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Reads a config, sets `options` ({'model.test_cfg.score_thr': 0.1}) and imports the plugin's
    modules it names.

    Raises:
        UserError: no such file, not a config, an option that fits nowhere, or a module that cannot
            be imported.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(
            f"config {path} does not exist"
            if not path.exists()
            else f"config {path} is a folder, not a file"
        )
    try:
        # Resolved: `_base_` of a config that was reached by a link is relative to the file, not to
        # the link.
        config = Config.fromfile(str(path.resolve()))
        config.merge_from_dict(options or {})
    except UserError:
        raise
    except Exception as error:  # a config is Python: anything can happen in it
        _close_files_of(error)
        raise UserError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    return config


def _close_files_of(error: Exception) -> None:
    """mmcv leaves a temporary file open whose folder is gone; closing it now and quietly keeps the
    error one line.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook


def move_data_root(config: Config, root: str | Path) -> Config:
    """A copy of the config with every path under `config.data_root` in `config.data` moved to
    `root`.
    """
    moved = copy.deepcopy(config)
    old, new = config.data_root.rstrip("/") + "/", str(root).rstrip("/") + "/"
    moved.data = _moved(config.data.to_dict(), old, new)
    return moved


def _moved(value: Any, old: str, new: str) -> Any:
    if isinstance(value, dict):
        return {key: _moved(item, old, new) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, old, new) for item in value)
    return (
        new + value[len(old) :] if isinstance(value, str) and f"{value}/".startswith(old) else value
    )


def build_model(config: Config) -> nn.Module:
    """The model that `config.model` describes, with random weights; its `init_weights()` loads those
    of a pretrained backbone. The type is looked up in `MODELS`, then among mmdet3d's detectors.

    Raises:
        UserError: an unknown type or key anywhere in the model settings; the message names it.
    """
    from mmdet3d.models import build_detector

    build = MODELS.build if config.model.get("type") in MODELS else build_detector
    return _built("model", config, lambda: build(copy.deepcopy(config.model)))


def build_dataset(settings: ConfigDict, *, test_mode: bool, config: Config) -> Any:
    """The dataset that `settings`, for instance `config.data.test`, describe.

    Raises:
        UserError: an unknown type or key, or files that are missing.
    """
    from mmdet3d.datasets import build_dataset as build

    return _built(
        "dataset", config, lambda: build(copy.deepcopy(settings), dict(test_mode=test_mode))
    )


def _built(what: str, config: Config, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{what} of {config.filename}: {error}") from error
    except _CONFIG_FAULTS as error:
        raise UserError(f"{what} settings of {config.filename}: {error}") from error
