"""`epropnp train`: trains the model of a config."""

from __future__ import annotations

import argparse
from pathlib import Path

from epropnp_det.engine.command_line import add_config_arguments, add_launcher_argument
from epropnp_det.errors import UserError

EXAMPLES = """examples:
  epropnp train configs/detection/debug/one_frame.py --work-dir work_dirs/one_frame
  epropnp train configs/object_pose/embedded_lite0.py --resume
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="logs and checkpoints (default: work_dirs/NAME_OF_CONFIG)",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        action="store_true",
        help="resume from the newest checkpoint of the work dir, if there is one",
    )
    start.add_argument(
        "--resume-from",
        type=Path,
        metavar="FILE",
        help="resume from this checkpoint: weights, optimizer and progress",
    )
    start.add_argument(
        "--load-from", type=Path, metavar="FILE", help="start with the weights of this checkpoint"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of all random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--deterministic", action="store_true", help="reproducible cuDNN kernels, slower"
    )
    parser.add_argument(
        "--auto-scale-lr",
        action="store_true",
        help="scale the learning rate to the number of images of a step over all processes, from "
        "auto_scale_lr.base_batch_size of the config",
    )
    parser.add_argument("--no-validate", action="store_true", help="no evaluation while training")
    add_config_arguments(parser, "runner.max_epochs=2")
    add_launcher_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Does what the arguments ask for.

    Raises:
        UserError: a wrong argument or file.
    """
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.engine.command_line import start
    from epropnp_det.engine.kept_memory import keep_freed_memory
    from epropnp_det.engine.training import TrainingOptions, train

    config, device = start(args)
    if device.type == "cpu":
        keep_freed_memory()
    for path in (args.resume_from, args.load_from):
        if path is not None and not path.exists():
            raise UserError(f"checkpoint {path} does not exist")
    options = TrainingOptions(
        work_dir=args.work_dir or Path("work_dirs") / args.config.stem,
        device=device,
        seed=args.seed,
        deterministic=args.deterministic,
        validate=not args.no_validate,
        resume=args.resume,
        resume_from=args.resume_from,
        load_from=args.load_from,
        scale_lr=args.auto_scale_lr,
    )
    train(config, options)
