"""Arguments and first steps that the commands with a config share."""

from __future__ import annotations

import argparse
import ast
import contextlib
import re
import reprlib
import warnings
from typing import TYPE_CHECKING, Any

from epropnp_det.errors import CameraWarning, UserError

if TYPE_CHECKING:
    import torch
    from mmcv import Config
    from torch import nn


_MAX_KEY = 200  # characters


def add_config_arguments(
    parser: argparse.ArgumentParser, example: str = "data.workers_per_gpu=0"
) -> None:
    """Adds --data-root, --cfg-options, --strict and --device, which `start` reads.

    Args:
        example: a KEY=VALUE for the help of --cfg-options.
    """
    parser.add_argument(
        "--data-root", metavar="DIR", help="the dataset's folder, instead of the config's data_root"
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help=f"change the config: {example}",
    )
    add_strict_argument(parser)
    add_device_argument(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --device: "cpu", "cuda" or "cuda:N"; None where it is not given."""
    parser.add_argument(
        "--device",
        type=device_name,
        metavar="{cpu,cuda,cuda:N}",
        help="default: cuda where there is a GPU",
    )


def add_strict_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --strict, which `apply_strict` reads."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="doubts about a camera are errors, not warnings",
    )


def apply_strict(args: argparse.Namespace) -> None:
    """Makes a `CameraWarning` an error from now on, where the command line has --strict."""
    if args.strict:
        warnings.simplefilter("error", CameraWarning)


def add_launcher_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --launcher, which dist_train.sh, slurm_train.sh and those of the test set."""
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch", "slurm"),
        default="none",
        help="pytorch: started by torchrun; slurm: by srun",
    )


def device_name(text: str) -> str:
    """The argument of --device.

    Raises:
        argparse.ArgumentTypeError: another text than cpu, cuda and cuda:N.
    """
    if re.fullmatch(r"cpu|cuda(:\d+)?", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not cpu, cuda or cuda:N")
    return text


def start(args: argparse.Namespace) -> tuple[Config, torch.device]:
    """Reads the config with the changes of the command line, and joins the other processes.

    Args:
        args: with config, cfg_options, data_root, launcher, strict and device.

    Raises:
        UserError: a wrong config or option, a config without model or data, or a GPU that torch
            does not find.
    """
    from epropnp_det.compat import init_distributed

    # isort: split
    import cv2

    from .config import load_config, move_data_root, require_keys
    from .model import find_device

    apply_strict(args)
    config = load_config(args.config, parse_options(args.cfg_options))
    require_keys(config, "model", "data")
    if args.data_root is not None:
        config = move_data_root(config, args.data_root)
    find_device(args.device)
    # Every process that loads images is one thread; more would compete with the others.
    cv2.setNumThreads(0)
    return config, init_distributed(args.launcher, args.device)


def model_and_dataset(args: argparse.Namespace) -> tuple[nn.Module, Any]:
    """The detector with its checkpoint, in this process alone, and the test set of its config.

    Args:
        args: with config, checkpoint, cfg_options, data_root, strict and device.

    Raises:
        UserError: a wrong config, option, checkpoint or device, or missing files.
    """
    config, device = start(argparse.Namespace(**vars(args), launcher="none"))

    from .config import build_dataset
    from .model import init_model

    model = init_model(config, args.checkpoint, device)
    return model, build_dataset(config.data.test, test_mode=True, config=config)


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """['runner.max_epochs=2', 'model.neck.out_channels=64'] -> {'runner.max_epochs': 2, ...}.

    Values are Python's: numbers, True, None, quoted text, lists, tuples and dicts. Words need no
    quotes, and 8,11 is a list. Text with a blank or a slash stays whole, so paths need no quotes
    of their own.

    Raises:
        UserError: a pair without '=', or with a very long key or an empty part of it.
    """
    options = {}
    for pair in pairs:
        key, is_pair, value = pair.partition("=")
        if not is_pair or not all(key.strip().split(".")) or len(key) > _MAX_KEY:
            raise UserError(f"--cfg-options takes KEY=VALUE, not {reprlib.repr(pair)}")
        try:
            options[key.strip()] = _parse_value(value.strip())
        except RecursionError as error:
            raise UserError(f"option {key}: the value is nested too deeply") from error
    return options


def _parse_value(text: str) -> Any:
    with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError):
        value = ast.literal_eval(text)
        if isinstance(value, (bool, int, float, str, list, dict)) or value is None:
            return value
        if isinstance(value, tuple):
            return value if text.startswith("(") else list(value)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    if (text[:1], text[-1:]) in (("[", "]"), ("(", ")")):
        values = [_parse_value(part) for part in _split(text[1:-1])]
        return values if text.startswith("[") else tuple(values)
    words = text.split(",")
    if len(words) > 1 and all(re.fullmatch(r"[\w.+-]+", word) for word in words):
        return [_parse_value(word) for word in words]
    return text


def _split(text: str) -> list[str]:
    """The parts between commas that are in no brackets."""
    parts = [""]
    depth = 0
    for character in text:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
