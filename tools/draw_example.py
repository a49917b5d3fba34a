#!/usr/bin/env python
"""Draws one image of a config's test set: 3D boxes, the scene from above with pose samples, and
close-ups with their headings.

The picture of the README is made with the second command, after `make quickstart`.

Example:
    python tools/draw_example.py configs/detection/debug/one_frame.py \\
        work_dirs/one_frame/latest.pth example.jpg --index 3
    python tools/draw_example.py configs/detection/synthetic/epropnp_lite0.py \\
        configs/detection/synthetic/epropnp_lite0.pth \\
        docs/images/example.jpg --data-root work_dirs/quickstart/data --index 6
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
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="file to write, .jpg or .png")
    parser.add_argument(
        "--index", type=int, default=0, help="of the image in the test set (default: %(default)s)"
    )
    parser.add_argument(
        "--score-thr", type=float, default=0.2, help="of the boxes (default: %(default)s)"
    )
    parser.add_argument(
        "--mc-samples",
        type=int,
        default=512,
        help="of each pose, a multiple of 4 (default: %(default)s)",
    )
    add_config_arguments(parser)
    args = parser.parse_args()
    if args.picture.suffix not in (".jpg", ".png"):
        parser.error(f"PICTURE is {args.picture}; it ends with .jpg or .png")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.detection.evaluation.pose_distributions import (
        DistributionSettings,
        predict_distributions,
    )
    from epropnp_det.detection.reports.panels import image_panel, poster
    from epropnp_det.engine.command_line import model_and_dataset
    from epropnp_det.engine.output_files import write_pixels

    model, dataset = model_and_dataset(args)
    if not 0 <= args.index < len(dataset):
        raise UserError(f"--index is {args.index}; the test set has images 0 to {len(dataset) - 1}")
    settings = DistributionSettings(args.mc_samples, args.score_thr)
    (result,) = predict_distributions(model, dataset, settings, [args.index])
    write_pixels(args.picture, poster(image_panel(result, dataset.CLASSES)))
    print(f"picture: {args.picture}")


if __name__ == "__main__":
    sys.exit(main())
