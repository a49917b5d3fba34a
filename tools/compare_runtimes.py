#!/usr/bin/env python
"""Compares the boxes of a detector in OpenVINO or ONNX Runtime with those in torch, on images of an
annotation file, and prints the largest differences.

Exits with 1 where a position differs by more than 1 cm or a yaw by more than 0.1 degrees, or where
one of the two has a box more.

Example:
    python tools/compare_runtimes.py configs/detection/synthetic/epropnp_lite0.py \\
        configs/detection/synthetic/epropnp_lite0.pth \\
        data/synthetic/nuscenes_mini_infos_val_mono3d.coco.json --runtime openvino
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import UserError, main_guard

LARGEST_POSITION = 0.01  # m
LARGEST_YAW = 0.1  # degrees


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("annotations", type=Path, help="with the images in its folder")
    parser.add_argument(
        "--runtime",
        default="openvino",
        metavar="openvino|onnxruntime|FILE",
        help="FILE is one of epropnp export (default: %(default)s)",
    )
    parser.add_argument(
        "--images",
        type=int,
        default=24,
        metavar="N",
        help="how many, at equal intervals (default: %(default)s)",
    )
    return parser.parse_args()


@main_guard
def main() -> int:
    args = parse_args()
    if args.images < 1:
        raise UserError(f"--images {args.images}: give at least 1")
    # Slow to import, so after --help and wrong arguments.
    from tqdm import tqdm

    from epropnp_det.apis import detect, init_model
    from epropnp_det.detection.data.annotation_file import read_annotations
    from epropnp_det.detection.deploy.comparison import differences, largest

    records = read_annotations(args.annotations)["images"]
    if not records:
        raise UserError(f"annotation file {args.annotations} has no images")
    chosen = records[:: max(1, len(records) // args.images)][: args.images]
    model = init_model(args.config, args.checkpoint)
    found = []
    for record in tqdm(chosen, desc="comparing", unit="image", disable=None):
        image = args.annotations.parent / record["file_name"]
        camera = record["cam_intrinsic"]
        found.append(
            differences(
                detect(model, image, camera), detect(model, image, camera, runtime=args.runtime)
            )
        )
    total = largest(found)
    print(f"{args.runtime} against torch, {len(chosen)} images: {total}")
    agree = total.position <= LARGEST_POSITION and total.yaw <= LARGEST_YAW
    return 0 if agree and not total.unmatched else 1


if __name__ == "__main__":
    sys.exit(main())
