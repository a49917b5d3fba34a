#!/usr/bin/env python
"""Renders scenes of object models as a BOP data set: images, masks, poses, boxes and targets.

Without --models it makes five objects of its own. A run that was interrupted continues where it
stopped; the same settings give the same files.

Example:
    python tools/create_synthetic_bop.py data/synthetic_bop
    python tools/create_synthetic_bop.py data/own --models data/own_models --images 100
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
    parser.add_argument(
        "--models", metavar="DIR", help="folder of obj_NNNNNN.ply [mm] with models_info.json"
    )
    parser.add_argument(
        "--images", type=int, default=50, metavar="N", help="of each scene (default: %(default)s)"
    )
    parser.add_argument(
        "--train-scenes", type=int, default=2, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--test-scenes", type=int, default=4, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="another seed, other scenes (default: %(default)s)"
    )
    parser.add_argument(
        "--full-rotation",
        action="store_true",
        help="objects in any orientation, instead of upright on the ground",
    )
    parser.add_argument(
        "--distance",
        type=float,
        nargs=2,
        default=(2.5, 5.0),
        metavar=("LOW", "HIGH"),
        help="depth of the objects, in their diameters (default: 2.5 5)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="processes to use; the result is the same (default: all cores)",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.object_pose.data.synthetic_bop import DatasetSettings, create

    settings = DatasetSettings(
        args.seed,
        args.images,
        args.train_scenes,
        args.test_scenes,
        args.models,
        args.full_rotation,
        (args.distance[0], args.distance[1]),
    )
    start = time.monotonic()
    images = create(args.out, settings, args.processes)
    print(f"{args.out}: {images} images, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
