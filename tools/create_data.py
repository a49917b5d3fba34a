#!/usr/bin/env python
"""Writes the annotation files that training and testing read, and the LiDAR points that auxiliary
losses learn from.

An interrupted run with --lidar resumes where it stopped.

Example:
    python tools/create_data.py nuscenes data/nuscenes --version v1.0-mini
    python tools/create_data.py nuscenes data/nuscenes --version v1.0-mini --lidar --workers 4
"""

from __future__ import annotations

import argparse
import sys

from epropnp_det.errors import main_guard

VERSIONS = ("v1.0-mini", "v1.0-trainval", "v1.0-test")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    datasets = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    nuscenes = datasets.add_parser(
        "nuscenes", help="a nuScenes database as unpacked from the official archives"
    )
    nuscenes.add_argument(
        "data_root",
        metavar="DATAROOT",
        help="folder with samples/, maps/ and the folder of tables (v1.0-...)",
    )
    nuscenes.add_argument(
        "--version",
        choices=VERSIONS,
        default="v1.0-trainval",
        help="folder of tables to read (default: %(default)s)",
    )
    nuscenes.add_argument("--out", metavar="DIR", help="folder to write to (default: DATAROOT)")
    nuscenes.add_argument(
        "--lidar",
        action="store_true",
        help="also write the LiDAR points of each image, into object_points/",
    )
    nuscenes.add_argument(
        "--workers",
        type=int,
        default=2,
        metavar="N",
        help="processes for --lidar (default: %(default)s)",
    )
    args = parser.parse_args()
    if args.workers < 1:
        parser.error("--workers must be at least 1")
    return args


@main_guard
def main() -> None:
    args = parse_args()
    from epropnp_det.detection.data import (
        nuscenes_convert,  # slow to import: not before --help and bad arguments are dealt with
    )

    nuscenes_convert.write_annotation_files(
        args.data_root, args.version, args.out, args.workers if args.lidar else None
    )


if __name__ == "__main__":
    sys.exit(main())
