#!/usr/bin/env python
"""Measures the time from one image to the poses of its objects: the detector alone, and all of it.

The image is in memory and the networks are loaded. Times are those of a wall clock, so nothing else
should run.

Example:
    python tools/benchmark_pipeline.py data/synthetic_bop/test/000000/rgb/000000.jpg \\
        --intrinsics data/synthetic_bop/camera.json
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from epropnp_det.console.pose import add_network_options, weights_of
from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument(
        "--repeats", type=int, default=20, help="timed calls of each (default: %(default)s)"
    )
    add_network_options(parser)
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    if args.intrinsics is None:
        raise UserError("give --intrinsics")
    # Slow to import: not before --help.
    import torch

    from epropnp_det.engine.images import read_image
    from epropnp_det.engine.model import find_device
    from epropnp_det.engine.timing import milliseconds
    from epropnp_det.object_pose.object_detector import init_detector
    from epropnp_det.object_pose.pipeline import (
        DEFAULT_SETTINGS,
        estimate_poses,
        init_pose_network,
    )
    from epropnp_det.object_pose.pose_command import checked_lens

    device = find_device(args.device)
    image = read_image(args.image)
    matrix = checked_lens(args.intrinsics, args.image, image).matrix
    weights = weights_of(args.detector, args.detector_checkpoint)
    detector = init_detector(args.detector, weights, device)
    weights = weights_of(args.config, args.checkpoint)
    network = init_pose_network(args.config, weights, args.models, device)
    found = estimate_poses(detector, network, image, matrix)
    print(f"{args.image}: {len(found.detections)} objects, {torch.get_num_threads()} thread(s), ms")
    calls = {
        "detector": lambda: detector.detect(image, DEFAULT_SETTINGS.threshold),
        "image to poses": lambda: estimate_poses(detector, network, image, matrix),
    }
    for what, call in calls.items():
        times = milliseconds(call, args.repeats, device, time.perf_counter)
        print("{:16}{median:8.0f}   {least:.0f} to {greatest:.0f}".format(what, **times))


if __name__ == "__main__":
    sys.exit(main())
