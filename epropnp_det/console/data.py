"""`epropnp data`: writes the annotation files that training and testing read, and the LiDAR points
of the auxiliary losses.

An interrupted run resumes where it stopped.
"""

from __future__ import annotations

import argparse

from epropnp_det.errors import UserError
from epropnp_det.late_imports import late_import

EXAMPLES = """examples:
  epropnp data nuscenes data/nuscenes --version v1.0-mini --lidar --processes 4
  epropnp data kitti data/kitti val.json --frames ImageSets/val.txt
  epropnp data bop data/lmo
  epropnp data bop data/lmo --coco test train_pbr
  epropnp data bop --models data/own/models
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
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
        default="v1.0-trainval",
        metavar="NAME",
        help="folder of tables to read: v1.0-mini, v1.0-trainval, v1.0-test, or with --splits any "
        "other (default: %(default)s)",
    )
    nuscenes.add_argument(
        "--splits",
        metavar="FILE.json",
        help="names of scenes by split, for recordings other than nuScenes: "
        '{"train": ["scene-a"], "val": ["scene-b"]}',
    )
    nuscenes.add_argument("--out", metavar="DIR", help="folder to write to (default: DATAROOT)")
    nuscenes.add_argument(
        "--lidar",
        action="store_true",
        help="also write the LiDAR points of each image, into object_points/",
    )
    nuscenes.add_argument(
        "--processes",
        "--workers",
        type=int,
        metavar="N",
        help="convert samples in N processes (default: one per core)",
    )
    kitti = datasets.add_parser(
        "kitti", help="KITTI's object detection: training/ with image_2/, calib/ and label_2/"
    )
    kitti.add_argument("data_root", metavar="DIR", help="folder with training/")
    kitti.add_argument(
        "out", nargs="?", metavar="OUT", help="file (.json) or folder to write (default: DIR)"
    )
    kitti.add_argument(
        "--classes",
        nargs="+",
        metavar="TYPE=CLASS",
        help="classes by KITTI's types; other types are left out (default: Car=car Van=car "
        "Truck=truck Cyclist=bicycle Pedestrian=pedestrian Person_sitting=pedestrian)",
    )
    kitti.add_argument(
        "--frames",
        metavar="FILE",
        help="text file with one image name per line, such as 000123 (default: all images)",
    )
    bop = datasets.add_parser(
        "bop",
        help="checks a data set in BOP's layout; --models writes models_info.json, --coco the "
        "annotations of a detector",
    )
    bop.add_argument("data_root", nargs="?", metavar="DIR", help="folder with models/ and splits")
    bop.add_argument(
        "--models",
        metavar="DIR",
        help="measure the meshes obj_NNNNNN.ply [mm] of a folder and write its models_info.json",
    )
    bop.add_argument(
        "--coco",
        nargs="*",
        metavar="SPLIT",
        help="write coco_SPLIT.json of DIR, boxes and masks in COCO's form (default: all splits "
        "with ground truth)",
    )
    bop.add_argument("--overwrite", action="store_true", help="replace files that are there")
    bop.add_argument(
        "--symmetry-tolerance",
        type=float,
        default=0.015,
        metavar="D",
        help="largest distance of symmetric surfaces, in diameters; scanned models need about 0.06 "
        "(default: %(default)s)",
    )
    bop.add_argument("--ignore-colors", action="store_true", help="symmetries of the shape alone")


def run(args: argparse.Namespace) -> int:
    """Does what the arguments ask for.

    Raises:
        UserError: a wrong argument or file.
    """
    if args.dataset == "nuscenes" and args.processes is not None and args.processes < 1:
        raise UserError("--processes must be at least 1")
    if args.dataset == "bop" and (args.data_root is None) == (args.models is None):
        raise UserError("bop takes either DIR or --models DIR")
    if args.dataset == "bop" and args.coco is not None and args.data_root is None:
        raise UserError("--coco needs the folder of the data set: bop DIR --coco")
    # Each is slow to import, so after --help and wrong arguments.
    if args.dataset == "bop":
        return _run_bop(args)
    if args.dataset == "kitti":
        from epropnp_det.detection.data import kitti_command

        kitti_command.convert(args.data_root, args.out, args.classes, args.frames)
    else:
        _convert_nuscenes(args)
    return 0


def _run_bop(args: argparse.Namespace) -> int:
    from epropnp_det.object_pose.data import bop_command

    if args.coco is not None:
        return bop_command.write_coco(args.data_root, args.coco, args.overwrite)
    if args.models is None:
        return bop_command.check(args.data_root)
    return bop_command.measure(
        args.models, args.symmetry_tolerance, args.ignore_colors, args.overwrite
    )


def _convert_nuscenes(args: argparse.Namespace) -> None:
    with late_import("sklearn.metrics"):  # a second; the devkit needs it for LiDAR segments alone
        from epropnp_det.detection.data import nuscenes_convert
    from epropnp_det.engine.worker_processes import available_processes

    nuscenes_convert.write_annotation_files(
        args.data_root,
        args.version,
        args.out,
        args.lidar,
        args.processes or available_processes(),
        None if args.splits is None else nuscenes_convert.read_splits(args.splits),
    )
