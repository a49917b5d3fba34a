#!/usr/bin/env python
"""Writes a synthetic dataset as a nuScenes database (v1.0-mini): images, LiDAR and tables
(docs/explanation/synthetic.md).

Example:
    python tools/create_synthetic_nuscenes.py data/synthetic --preset full --seed 0
"""

from __future__ import annotations

import argparse
import sys
import time

from epropnp_det.errors import main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", help="folder to write, empty or absent")
    presets = (
        "full: 10 scenes of 20 keyframes; test: 2 of 2; varied: 8 of 2, none held out "
        "(default: %(default)s)"
    )
    parser.add_argument("--preset", default="full", help=presets)
    parser.add_argument(
        "--seed", type=int, default=0, help="of all random numbers (default: %(default)s)"
    )
    parser.add_argument(
        "--scenes",
        nargs="+",
        metavar="NAME",
        help="write these of the preset's scenes alone (default: all)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="processes to use; the result is the same (default: all cores)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what an earlier run of this command wrote to OUT",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.synthetic.generate import write_database

    start = time.monotonic()
    done = write_database(
        args.out, args.preset, args.seed, args.processes, args.overwrite, args.scenes
    )
    print(
        f"{args.out}: {done.scenes} scenes, {done.samples} samples, {done.images} images, "
        f"{done.boxes} boxes, {done.megabytes:.0f} MB, {time.monotonic() - start:.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())
