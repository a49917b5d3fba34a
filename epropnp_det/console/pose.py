"""Poses of known objects in images of a calibrated camera: pictures with outlines, axes and the
distribution of each orientation, and all numbers as JSON.

A detector finds the objects. With --boxes it is not needed: a JSON list with `bbox` [x, y, width,
height in pixels] and `obj_id` of each object, or a file of detections of the BOP challenge. Without
--models, --config and --checkpoint the objects are those of tools/create_synthetic_bop.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from epropnp_det.engine.command_line import add_device_argument
from epropnp_det.engine.output_files import output_names
from epropnp_det.errors import UserError

from .detect import show

EXAMPLES = """examples:
  epropnp pose --demo
  epropnp pose table.jpg --intrinsics 572.4,573.6,325.8,242.5
  epropnp pose table.jpg --intrinsics 572.4,573.6,325.8,242.5 --boxes boxes.json
  epropnp pose table.mp4 'tables/*.jpg' --intrinsics camera.yaml --detector my_detector.py \\
      --detector-checkpoint work_dirs/my_detector/latest.pth
  epropnp pose data/own/test/000000/rgb/000003.jpg --boxes detections.json \\
      --intrinsics data/own/test/000000/scene_camera.json --models data/own/models \\
      --config my_config.py --checkpoint work_dirs/my_config/latest.pth --samples 512
"""
_CONFIGS = Path(__file__).parents[2] / "configs" / "object_pose"
CONFIG = _CONFIGS / "embedded_lite0.py"
DETECTOR = _CONFIGS / "detectors" / "mask_rcnn_lite0.py"
DEMO_IMAGE = Path(__file__).with_name("table.jpg")
DEMO_INTRINSICS = "572.4114,573.57043,325.7611,242.54899"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="a file, a folder, a pattern in quotes, or a video",
    )
    parser.add_argument(
        "--demo", action="store_true", help="find the objects of a synthetic image and their poses"
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="JSON list of boxes, in place of the detector",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.3,
        metavar="SCORE",
        help="least score of a detection (default: %(default)s)",
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
    add_network_options(parser)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the camera, the detector and the network of the poses."""
    parser.add_argument(
        "--intrinsics",
        metavar="FX,FY,CX,CY|FILE",
        help="in pixels, the centre of the first pixel at 0.5; or a file: a matrix, a calibration "
        "file, or camera.json or scene_camera.json of a BOP data set (first pixel at 0)",
    )
    parser.add_argument(
        "--detector",
        type=Path,
        default=DETECTOR,
        metavar="CONFIG",
        help="config of a detector of mmdet (default: that of these five objects)",
    )
    parser.add_argument(
        "--detector-checkpoint",
        type=Path,
        metavar="FILE",
        help="default: next to the config, NAME.pth",
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
    add_device_argument(parser)


def weights_of(config: Path, checkpoint: Path | None) -> Path:
    """The checkpoint that was given, or NAME.pth next to the config."""
    return checkpoint or config.with_suffix(".pth")


def run(options: argparse.Namespace) -> int:
    """Writes NAME.png and NAME.json of each image into --out.

    Raises:
        UserError: a wrong argument or file.
    """
    if options.demo:
        use_demo(options)
    if not options.images or options.intrinsics is None:
        raise UserError("give IMAGE and --intrinsics, or --demo")
    checkpoint = weights_of(options.config, options.checkpoint)
    _check_files("", options.config, checkpoint)
    detector_checkpoint = weights_of(options.detector, options.detector_checkpoint)
    if options.boxes is None:
        _check_files("detector", options.detector, detector_checkpoint)
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.engine.sources import find_images
    from epropnp_det.object_pose.pose_command import PoseRequest, estimate_and_draw

    images = find_images(options.images)
    estimate_and_draw(
        PoseRequest(
            images,
            output_names(images),
            options.intrinsics,
            options.boxes,
            options.detector,
            detector_checkpoint,
            options.score_thr,
            options.models,
            options.config,
            checkpoint,
            options.out,
            options.samples,
            options.device,
        )
    )
    if options.demo:
        show(options.out / f"{DEMO_IMAGE.stem}.png")
    return 0


def use_demo(options: argparse.Namespace) -> None:
    """Sets the image and the intrinsics of --demo.

    Raises:
        UserError: images, intrinsics or boxes as well.
    """
    if options.images or options.intrinsics is not None or options.boxes is not None:
        raise UserError(
            "--demo has an image and intrinsics of its own, and no boxes; leave out yours"
        )
    options.images = [str(DEMO_IMAGE)]
    options.intrinsics = DEMO_INTRINSICS


def _check_files(kind: str, config: Path, checkpoint: Path) -> None:
    """Raises a UserError for a file that does not exist; `kind` begins the names of its options."""
    for name, file in (("config", config), ("checkpoint", checkpoint)):
        if file.is_file():
            continue
        if not kind:
            raise UserError(f"{name} {file} does not exist; give --{name}")
        option = "--detector" if name == "config" else "--detector-checkpoint"
        raise UserError(f"detector's {name} {file} does not exist; give {option}, or --boxes")
