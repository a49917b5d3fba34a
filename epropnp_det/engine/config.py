"""Reads configs and builds models and datasets; a mistake in a config is one clear line."""

from __future__ import annotations

from epropnp_det import compat  # noqa: F401  before mmcv, whose versions it reconciles

# isort: split
import contextlib
import copy
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmcv import Config, ConfigDict
from torch import nn

from epropnp_det.errors import UserError

from .config_keys import check_keys, check_options, check_parts
from .config_values import check_option_kinds, check_values
from .data_configs import SUFFIXES, check_data_config
from .outside_files import is_nested_deeply
from .registry import MODELS

# Exceptions of mmcv, mmdet and torch for settings that are unknown, missing or wrong.
CONFIG_FAULTS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Reads a config, sets `options` ({'model.test_cfg.score_thr': 0.1}) and imports the plugin's
    modules it names. A config in Python is a program and runs; one in YAML or JSON is data.

    Raises:
        UserError: no such file, not a config, an option that fits nowhere, a key that has no effect
            here, a value out of range, or a module that cannot be imported.
    """
    path = Path(path)
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        fault = f"is {kind}, not a file" if path.exists() else "does not exist"
        raise UserError(f"config {path} {fault}")
    if path.suffix in SUFFIXES:
        check_data_config(path.resolve())
    search_path = list(sys.path)  # mmcv leaves a folder in it where a config fails
    try:
        config = Config.fromfile(str(path.resolve()))
        check_keys(config._cfg_dict, path)
        apply_options(config, options or {}, path)
    except UserError:
        raise
    except Exception as error:  # a config is Python and can raise anything
        _close_temporary_file(error)
        raise UserError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    finally:
        sys.path[:] = search_path
    return config


def apply_options(config: Config, options: Mapping[str, Any], path: object) -> None:
    """Sets `options` in a config, and checks its values.

    Args:
        path: names the config in messages.

    Raises:
        UserError: an option that fits nowhere, or a value of a wrong kind or out of range.
    """
    check_options(options, config.keys())
    check_option_kinds(options, config._cfg_dict, path)
    for option, value in options.items():
        _set_option(config, option, value)
    check_parts(config._cfg_dict, path)
    check_values(config._cfg_dict, path)


def _set_option(config: Config, option: str, value: Any) -> None:
    try:
        if is_nested_deeply(value):
            raise UserError(f"option {option}: the value is nested too deeply")
        config.merge_from_dict({option: value})
    except UserError:
        raise
    except Exception as error:  # mmcv's exceptions do not name the option
        where = f"option {option} cannot be set in config {config.filename}"
        raise config_fault(where, error) from error


def _close_temporary_file(error: Exception) -> None:
    """Closes the file that `Config.fromfile` leaves open after an error. Its folder is gone, so the
    garbage collector would print a traceback of its own.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = frame.f_locals.get("temp_config_file")
        if file is not None:
            with contextlib.suppress(FileNotFoundError):
                file.close()


def require_keys(config: Config, *keys: str) -> None:
    """Checks that the config has all keys.

    Raises:
        UserError: keys are missing; the message names them and the config.
    """
    missing = ", ".join(repr(key) for key in keys if key not in config)
    if missing:
        raise UserError(f"config {config.filename} has no {missing}; this command needs it")


def move_data_root(config: Config, root: str | Path) -> Config:
    """A copy of the config with every path under `config.data_root` in `config.data` moved to
    `root`.

    Raises:
        UserError: the config has no `data` or no `data_root`.
    """
    require_keys(config, "data", "data_root")
    moved = copy.deepcopy(config)
    old = config.data_root.rstrip("/") + "/"
    new = str(root).rstrip("/") + "/"
    moved.data = _replace_folder(config.data.to_dict(), old, new)
    return moved


def _replace_folder(value: Any, old: str, new: str) -> Any:
    """The nested value with folder `new` in place of `old` in every path; both end with a slash."""
    if isinstance(value, dict):
        return {key: _replace_folder(item, old, new) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_replace_folder(item, old, new) for item in value)
    if isinstance(value, str) and f"{value}/".startswith(old):
        return new + value[len(old) :]
    return value


def build_model(config: Config) -> nn.Module:
    """The model that `config.model` describes, with random weights.

    Its `init_weights()` loads those of a pretrained backbone. The type is looked up in `MODELS`,
    then among mmdet3d's detectors.

    Raises:
        UserError: an unknown type or key anywhere in the model settings; the message names it.
    """
    from mmdet3d.models import build_detector

    def build() -> nn.Module:
        settings = copy.deepcopy(config.model)
        is_ours = settings.get("type") in MODELS
        return MODELS.build(settings) if is_ours else build_detector(settings)

    return _build("model", config, build)


def build_dataset(settings: ConfigDict, *, test_mode: bool, config: Config) -> Any:
    """The dataset that `settings`, for instance `config.data.test`, describe.

    Raises:
        UserError: an unknown type or key, or files that are missing.
    """
    from mmdet3d.datasets import build_dataset as build

    return _build(
        "dataset", config, lambda: build(copy.deepcopy(settings), dict(test_mode=test_mode))
    )


def check_first_item(dataset: Any, key: str, config: Config) -> None:
    """Makes the first item of a dataset: wrong settings of its pipeline end here.

    Args:
        key: where the config has the dataset, for instance data.train.

    Raises:
        UserError: the pipeline fails, its image is not finite, or a file is missing.
    """
    import cv2
    import torch
    from mmcv.parallel import DataContainer

    what = f"{key}.pipeline"
    item = _build(what, config, lambda: dataset[0], (*CONFIG_FAULTS, cv2.error))
    image = item.get("img") if isinstance(item, dict) else None
    if isinstance(image, (torch.Tensor, DataContainer)) and not image.data.isfinite().all():
        raise UserError(
            f"{what} settings of {config.filename}: the image is not finite; check the mean and "
            "std of its normalisation"
        )


def _build(
    what: str,
    config: Config,
    build: Callable[[], Any],
    faults: tuple[type[Exception], ...] = CONFIG_FAULTS,
) -> Any:
    try:
        return build()
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"{what} of {config.filename}: {error}") from error
    except faults as error:
        raise config_fault(f"{what} settings of {config.filename}", error) from error


def config_fault(where: str, error: Exception) -> UserError:
    """An exception that settings caused, as one line; its name is more useful than a
    message of one word.
    """
    is_quoted = isinstance(error, KeyError) and len(error.args) == 1
    text = str(error.args[0] if is_quoted else error)
    has_words = " " in text.strip()
    return UserError(f"{where}: {text if has_words else f'{type(error).__name__} {text}'}")
