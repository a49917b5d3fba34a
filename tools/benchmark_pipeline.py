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
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from epropnp_det.console.pose import CONFIG, DETECTOR
from epropnp_det.engine.command_line import add_device_argument
from epropnp_det.errors import main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("--intrinsics", required=True, help="as of epropnp pose")
    parser.add_argument("--models", type=Path, metavar="DIR", help="as of epropnp pose")
    parser.add_argument("--config", type=Path, default=CONFIG, help="network of the poses")
    parser.add_argument("--checkpoint", type=Path, help="default: next to the config, NAME.pth")
    parser.add_argument("--detector", type=Path, default=DETECTOR, metavar="CONFIG")
    parser.add_argument(
        "--detector-checkpoint", type=Path, help="default: next to the config, NAME.pth"
    )
    parser.add_argument(
        "--repeats", type=int, default=20, help="timed calls of each (default: %(default)s)"
    )
    add_device_argument(parser)
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help.
    import torch

    from epropnp_det.engine.images import read_image
    from epropnp_det.object_pose.object_detector import init_detector
    from epropnp_det.object_pose.pipeline import (
        DEFAULT_SETTINGS,
        estimate_poses,
        init_pose_network,
    )
    from epropnp_det.object_pose.pose_command import checked_lens

    image = read_image(args.image)
    matrix = checked_lens(args.intrinsics, args.image, image).matrix
    detector_checkpoint = args.detector_checkpoint or args.detector.with_suffix(".pth")
    detector = init_detector(args.detector, detector_checkpoint, args.device)
    checkpoint = args.checkpoint or args.config.with_suffix(".pth")
    network = init_pose_network(args.config, checkpoint, args.models, args.device)
    found = estimate_poses(detector, network, image, matrix)
    print(f"{args.image}: {len(found.detections)} objects, {torch.get_num_threads()} thread(s), ms")
    threshold = DEFAULT_SETTINGS.threshold
    report("detector", timed(lambda: detector.detect(image, threshold), args.repeats))
    report(
        "image to poses",
        timed(lambda: estimate_poses(detector, network, image, matrix), args.repeats),
    )


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Wall-clock times [ms] of the calls after the first two. The calls read numbers from the
    device, so a GPU has finished then.
    """
    times = []
    for _ in range(repeats + 2):
        begin = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - begin))
    return times[2:]


def report(what: str, times: list[float]) -> None:
    """Prints one line: median and range."""
    print(f"{what:16}{statistics.median(times):8.0f}   {min(times):.0f} to {max(times):.0f}")


if __name__ == "__main__":
    sys.exit(main())
