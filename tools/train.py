#!/usr/bin/env python
"""Trains a detector as a config describes it.

Example:
    python tools/train.py configs/detection/debug/one_frame.py --work-dir work_dirs/one_frame
    tools/dist_train.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py 4 --resume
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="logs and checkpoints (default: work_dirs/NAME_OF_CONFIG)",
    )
    parser.add_argument(
        "--data-root", metavar="DIR", help="the dataset's folder, instead of the config's data_root"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint of the work dir, if there is one",
    )
    start.add_argument(
        "--resume-from",
        type=Path,
        metavar="FILE",
        help="go on from this checkpoint: weights, optimizer and progress",
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
    parser.add_argument("--no-validate", action="store_true", help="no evaluation while training")
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="change the config: runner.max_epochs=2",
    )
    parser.add_argument(
        "--launcher",
        choices=("none", "pytorch"),
        default="none",
        help="pytorch: started by torchrun",
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda where there is a GPU"
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.engine.command_line import start
    from epropnp_det.engine.training import TrainingOptions, train

    config, device = start(args)
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
    )
    train(config, options)


if __name__ == "__main__":
    sys.exit(main())
