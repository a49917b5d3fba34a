"""Poses of known objects in an image of a calibrated camera: a picture with outlines, axes and the
distribution of each orientation, and all numbers as JSON.

Boxes come from a JSON list with `bbox` [x, y, width, height in pixels] and `obj_id` of each object,
or from a file of detections of the BOP challenge. Without --models, --config and --checkpoint the
objects are those of tools/create_synthetic_bop.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from epropnp_det.engine.command_line import add_device_argument
from epropnp_det.errors import UserError

EXAMPLES = """examples:
  epropnp pose table.jpg --intrinsics 572.4,573.6,325.8,242.5 --boxes boxes.json
  epropnp pose data/own/test/000000/rgb/000003.jpg --boxes detections.json \\
      --intrinsics data/own/test/000000/scene_camera.json --models data/own/models \\
      --config my_config.py --checkpoint work_dirs/my_config/latest.pth --samples 512
"""
CONFIG = Path(__file__).parents[2] / "configs" / "object_pose" / "embedded_lite0.py"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("image", type=Path, metavar="IMAGE")
    parser.add_argument(
        "--intrinsics",
        required=True,
        metavar="FX,FY,CX,CY|FILE",
        help="in pixels, the centre of the first pixel at 0.5; or a file: a matrix, a calibration "
        "file, or camera.json or scene_camera.json of a BOP data set (first pixel at 0)",
    )
    parser.add_argument(
        "--boxes", type=Path, required=True, metavar="FILE", help="JSON list of boxes"
    )
    parser.add_argument(
        "--models",
        type=Path,
        metavar="DIR",
        help="folder of obj_NNNNNN.ply [mm] with models_info.json (default: the five objects of "
        "tools/create_synthetic_bop.py)",
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, help="default: the network of these five objects"
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="default: next to the config, NAME.pth"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("output"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="draw N samples of each pose, a multiple of 4, and write them into the JSON",
    )
    add_device_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Writes NAME.png and NAME.json of the image into --out.

    Raises:
        UserError: a wrong argument or file.
    """
    checkpoint = options.checkpoint or options.config.with_suffix(".pth")
    if not options.config.is_file():
        raise UserError(f"config {options.config} does not exist; give --config")
    if not checkpoint.is_file():
        raise UserError(f"checkpoint {checkpoint} does not exist; give --checkpoint")
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.object_pose.pose_command import PoseRequest, estimate_and_draw

    estimate_and_draw(
        PoseRequest(
            options.image,
            options.intrinsics,
            options.boxes,
            options.models,
            options.config,
            checkpoint,
            options.out,
            options.samples,
            options.device,
        )
    )
    return 0
