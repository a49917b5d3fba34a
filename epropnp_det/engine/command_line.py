"""What the commands that take a config have in common."""

from __future__ import annotations

import argparse
from typing import Any

import cv2
import torch
from mmcv import Config, DictAction
from torch import nn

from epropnp_det.compat import init_distributed
from epropnp_det.errors import UserError

from .config import build_dataset, load_config, move_data_root
from .model import init_model


def start(args: argparse.Namespace) -> tuple[Config, torch.device]:
    """Reads the config with the changes of the command line, and joins the other processes.

    Args:
        args: with config, cfg_options, data_root, launcher and device.

    Raises:
        UserError: a wrong config or option, or a GPU asked for where there is none.
    """
    config = load_config(args.config, parse_options(args.cfg_options))
    if args.data_root is not None:
        config = move_data_root(config, args.data_root)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no GPU; `make doctor` says more")
    cv2.setNumThreads(
        0
    )  # every process that loads images is one thread; more would compete with the others
    return config, init_distributed(args.launcher, args.device)


def model_and_dataset(args: argparse.Namespace) -> tuple[nn.Module, Any]:
    """The detector with its checkpoint, in this process alone, and the test set of its config.

    Args:
        args: with config, checkpoint, cfg_options, data_root and device.

    Raises:
        UserError: a wrong config, option, checkpoint or device, or missing files.
    """
    config, device = start(argparse.Namespace(**vars(args), launcher="none"))
    model = init_model(config, args.checkpoint, device)
    return model, build_dataset(config.data.test, test_mode=True, config=config)


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """['runner.max_epochs=2', 'model.neck.out_channels=64'] -> {'runner.max_epochs': 2, ...},
    values read as mmcv reads them.

    Raises:
        UserError: a pair without '='.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--options", nargs="+", action=DictAction, default={})
    for pair in pairs:
        if "=" not in pair:
            raise UserError(f"--cfg-options takes KEY=VALUE, not {pair!r}")
    return parser.parse_args(["--options", *pairs] if pairs else []).options
