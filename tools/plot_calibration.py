#!/usr/bin/env python
"""Compares predicted pose distributions with ground truth over the test set of a config: a picture,
and the numbers as JSON next to it.

For every match the smallest regions that hold 50, 68, 90 and 95 % of the predicted weight are taken
from weighted samples (they may have several parts, as for a heading with two modes). The command
reports how often the true yaw, position (x, z), depth and pose lie inside. Headings of classes that
half a turn does not change count modulo half a turn. Yaws and poses of round classes are left out.

Matches: detections above --score-thr, best score first, each with the true box of its class that
overlaps most in the image, at least by --min-iou, and has no match yet. True boxes are those of
which at least 40 % are visible. Matching uses the intersection over union of the projected boxes,
so large errors of depth or heading do not remove a pair (depth errors above about 1/3 still do).

Example:
    python tools/plot_calibration.py configs/detection/debug/one_frame.py
    work_dirs/one_frame/latest.pth calibration.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.engine.command_line import add_config_arguments
from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "picture",
        type=Path,
        metavar="OUT.png",
        help="file to write; OUT.json is written next to it",
    )
    parser.add_argument(
        "--mc-samples",
        type=int,
        default=1024,
        help="of each pose, a multiple of 4 (default: %(default)s)",
    )
    parser.add_argument(
        "--score-thr", type=float, default=0.2, help="of the detections (default: %(default)s)"
    )
    parser.add_argument(
        "--min-iou", type=float, default=0.5, help="of a match, in the image (default: %(default)s)"
    )
    add_config_arguments(parser)
    args = parser.parse_args()
    if args.picture.suffix != ".png":
        parser.error(f"OUT.png is {args.picture}; the picture is a .png file")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.calibration.command import draw
    from epropnp_det.calibration.reliability import Reliability, table
    from epropnp_det.detection.evaluation.pose_distributions import (
        DistributionSettings,
        predict_distributions,
    )
    from epropnp_det.detection.evaluation.reliability import image_reliability
    from epropnp_det.engine.command_line import model_and_dataset
    from epropnp_det.engine.json_files import write_json

    model, dataset = model_and_dataset(args)
    settings = DistributionSettings(args.mc_samples, args.score_thr, args.min_iou)
    truths = 0
    compared = []
    for result in predict_distributions(model, dataset, settings):
        truths += len(result.truth)
        compared.append(image_reliability(result, dataset.class_set))
    found = Reliability.cat(compared)
    if not found.with_distribution:
        raise UserError(
            f"none of the {truths} true boxes has a detection of score {args.score_thr} or "
            "more; is the model trained?"
        )
    numbers = table(found, dataset.CLASSES)
    what = dict(
        config=str(args.config),
        checkpoint=str(args.checkpoint),
        images=len(dataset),
        true_boxes=truths,
        settings=vars(settings),
    )
    write_json(args.picture.with_suffix(".json"), what | numbers, indent=1)
    title = f"{len(found)} of {truths} true boxes in {len(dataset)} images"
    draw({title: found}, args.picture)
    print(text(numbers))
    print(f"picture and numbers: {args.picture}, {args.picture.with_suffix('.json')}")


def text(numbers: dict) -> str:
    """The shares over all objects, a line for each quantity."""
    nominal = list(numbers["chance"])
    head = f"{'share inside':<14}" + "".join(f"{float(p):>8.0%}" for p in nominal)
    rows = [
        f"{name:<14}" + "".join(f"{shares[p]:>8.1%}" for p in nominal)
        for name, shares in numbers["coverage"].items()
    ]
    chance = f"{'chance, 1 sd':<14}" + "".join(f"{numbers['chance'][p]:>8.1%}" for p in nominal)
    return "\n".join([head, *rows, chance])


if __name__ == "__main__":
    sys.exit(main())
