"""Objects in images of a calibrated camera: pictures with 3D boxes and a bird's-eye view, and all
numbers as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.command_line import add_device_argument, add_strict_argument, apply_strict
from epropnp_det.errors import ImageError, UserError, one_line

if TYPE_CHECKING:
    from torch import nn

    from epropnp_det.detection.boxes import Boxes3D
    from epropnp_det.detection.data.class_set import ClassSet
    from epropnp_det.engine.intrinsics import Intrinsics

EXAMPLES = """examples:
  epropnp detect street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 --out found \\
      --config CONFIG --checkpoint CHECKPOINT
  epropnp detect samples/CAM_FRONT --intrinsics nuscenes_infos_val_mono3d.coco.json \\
      --config CONFIG --checkpoint CHECKPOINT
  epropnp detect 'kitti/image_2/*.png' --intrinsics kitti/calib --pitch -1.5 \\
      --config CONFIG --checkpoint CHECKPOINT
"""
CONFIG = (
    Path(__file__).parents[2]
    / "configs"
    / "detection"
    / "nuscenes"
    / "epropnp_v2_r101_12e_nuscenes.py"
)
OUTPUT_SUFFIXES = (".png", ".json")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="a file, a folder, or a pattern in quotes"
    )
    parser.add_argument(
        "--intrinsics",
        required=True,
        metavar="FX,FY,CX,CY|FILE[:CAMERA]|FOLDER|fov=DEGREES",
        help="in pixels; a file holds these 4 numbers or a 3x3 or 3x4 matrix (text or JSON), is a "
        "calibration of KITTI, ROS or OpenCV (YAML), or an annotation file that names the images "
        "(mono3d.coco.json); a folder has a file named after each image; fov is the horizontal "
        "field of view",
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, help="default: the full nuScenes model"
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--out", type=Path, default=Path("output"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--pitch",
        type=float,
        default=0.0,
        metavar="DEGREES",
        help="tilt of the camera: its axis points so far above the horizon (default: level)",
    )
    parser.add_argument(
        "--roll",
        type=float,
        default=0.0,
        metavar="DEGREES",
        help="the camera is turned so far clockwise about its axis, seen from behind it",
    )
    parser.add_argument(
        "--distortion",
        type=numbers,
        metavar="K1,K2,P1,P2,K3",
        help="of the lens, as OpenCV has it; 4 numbers are K1,K2,K3,K4 of a fisheye; write "
        "--distortion=-0.3,... where the first is negative (default: those of --intrinsics)",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.2,
        help="of boxes in the pictures; the JSON has all (default: %(default)s)",
    )
    parser.add_argument(
        "--mc-samples",
        type=int,
        metavar="N",
        help="draw N samples of each pose and show some from above; a multiple of 4",
    )
    parser.add_argument(
        "--background",
        choices=("image", "blur", "none"),
        default="image",
        help="of the pictures (default: %(default)s)",
    )
    add_strict_argument(parser)
    add_device_argument(parser)


def numbers(text: str) -> tuple[float, ...]:
    """The argument of --distortion."""
    return tuple(float(word) for word in text.split(","))


def run(args: argparse.Namespace) -> int:
    """Writes NAME.png and NAME.json of each image into --out.

    Raises:
        UserError: a wrong argument or file, or images that had to be skipped.
    """
    # Slow to import: not before --help and wrong arguments are dealt with.
    import torch

    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.sources import find_images

    apply_strict(args)
    images = find_images(args.images)
    for image in images:
        with contextlib.suppress(ImageError):  # counted when its turn comes
            find_matrix(args.intrinsics, image)
    names = output_names(images)
    refuse_to_overwrite([*images, *intrinsics_files(args.intrinsics)], args.out, names)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out} cannot be a folder: {error.strerror}") from error
    model = init_model(
        args.config,
        args.checkpoint,
        args.device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )
    skipped = process_all(model, images, names, args)
    print(f"pictures and detections of {len(images) - len(skipped)} image(s): {args.out}")
    if skipped:
        raise UserError(f"{len(skipped)} of {len(images)} images skipped; first: {skipped[0]}")
    return 0


def process_all(
    model: nn.Module, images: Sequence[Path], names: Sequence[str], args: argparse.Namespace
) -> list[ImageError]:
    """Detects in all images; returns the faults of the skipped images, with a line for each on
    stderr.
    """
    from tqdm import tqdm

    from epropnp_det.detection.data.nuscenes_dataset import read_class_set

    class_set = read_class_set(model.cfg)
    skipped = []
    for image, name in zip(tqdm(images, desc="detecting", unit="image", disable=None), names):
        try:
            process(model, class_set, image, name, args)
        except ImageError as error:
            if len(images) == 1:
                raise
            skipped.append(error)
            tqdm.write(f"skipped: {one_line(error)}", file=sys.stderr)
    return skipped


def output_names(images: Sequence[Path]) -> list[str]:
    """A name of its own for each image: its stem, or with as many folders in front as it takes to
    distinguish all, joined by "_"; suffixes stay where images differ in nothing else.

    Raises:
        UserError: an image is given twice.
    """
    paths = [image.absolute() for image in images]
    for files in ([path.with_suffix("") for path in paths], paths):
        for depth in range(1, max(len(path.parts) for path in paths)):
            names = ["_".join(path.parts[1:][-depth:]) for path in files]
            # File systems that ignore case would join names that differ in case only.
            if len({name.lower() for name in names}) == len(names):
                return names
    raise UserError("an image is given twice; give each image once")


def refuse_to_overwrite(inputs: Sequence[Path], out: Path, names: Sequence[str]) -> None:
    """Raises UserError where an output would replace an input."""
    kept = {path.resolve() for path in inputs}
    for name in names:
        for suffix in OUTPUT_SUFFIXES:
            target = out / f"{name}{suffix}"
            if target.resolve() in kept:
                raise UserError(f"{target} is an input file; choose another --out")


def intrinsics_files(intrinsics: str) -> list[Path]:
    """The files that the intrinsics are read from."""
    path = next(filter(os.path.exists, (intrinsics, intrinsics.rpartition(":")[0])), None)
    if path is None:
        return []
    return list(Path(path).iterdir()) if os.path.isdir(path) else [Path(path)]


def find_matrix(intrinsics: str, image: Path) -> Intrinsics:
    """Intrinsics of an image: those that were given, or those that a file has for it. Indexed like
    the camera matrix (3, 3).
    """
    from epropnp_det.engine.intrinsics import read_intrinsics

    return read_intrinsics(intrinsics, image)


def process(
    model: nn.Module,
    class_set: ClassSet,
    image: Path,
    name: str,
    args: argparse.Namespace,
) -> None:
    """Writes NAME.png and NAME.json for one image.

    Raises:
        ImageError: the image cannot be read.
        UserError: a file cannot be written.
    """
    import cv2

    from epropnp_det.detection.data.image_view import undistorted
    from epropnp_det.detection.inference import detect
    from epropnp_det.detection.reports.pictures import picture
    from epropnp_det.engine.images import read_image
    from epropnp_det.engine.json_files import write_json
    from epropnp_det.engine.lens import Lens

    pixels = read_image(image)
    intrinsics = find_matrix(args.intrinsics, image)
    if args.distortion is not None:
        intrinsics = replace(intrinsics, distortion=args.distortion)
    detections = detect(
        model, pixels, intrinsics, mc_samples=args.mc_samples, pitch=args.pitch, roll=args.roll
    )
    shown = detections[detections.score >= args.score_thr]
    drawn = picture(
        undistorted(pixels, Lens(intrinsics.matrix, intrinsics.distortion or ())),
        intrinsics.matrix,
        shown,
        class_set.class_names,
        background_kind=args.background,
    )
    if not cv2.imwrite(str(args.out / f"{name}.png"), drawn):
        raise UserError(f"picture {args.out / name}.png cannot be written; choose another --out")
    tilt = {} if detections.level_rotation is None else dict(level_frame=LEVEL_FRAME)
    content = dict(
        image=str(image),
        cam_intrinsic=intrinsics.matrix.tolist(),
        distortion=intrinsics.distortion,
        frame=FRAME,
        **tilt,
        detections=as_records(detections, class_set),
    )
    try:
        write_json(args.out / f"{name}.json", content)
    except OSError as error:
        raise UserError(f"{args.out / name}.json cannot be written: {error.strerror}") from error


FRAME = (
    "camera: x right, y down, z forward; pose = x, y, z of the gravity centre [m], yaw about y "
    "[rad]; size = length, height, width [m]; "
    "velocity = vx, vz [m/s]; covariance of the pose, 4x4"
)


LEVEL_FRAME = (
    "`level` of the detections has the units of `frame`; x and z lie on the ground, z along the "
    "heading of the camera, and y points down"
)


def as_records(detections: Boxes3D, class_set: ClassSet) -> list[dict[str, Any]]:
    """Detections as plain values, best first."""
    columns = dict(
        category=[class_set.class_names[label] for label in detections.label.tolist()],
        score=detections.require("score").tolist(),
        pose=detections.pose.tolist(),
        size=detections.size.tolist(),
        velocity=detections.require("velocity").tolist(),
        attribute=[
            class_set.attribute_name(index) for index in detections.require("attribute").tolist()
        ],
        covariance=detections.require("covariance").tolist(),
    )
    if detections.level_rotation is not None:
        level = detections.in_level_frame()
        moved = {name: level.require(name).tolist() for name in ("pose", "velocity", "covariance")}
        columns["level"] = rows_of(moved)
    return rows_of(columns)


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns of n values as n rows."""
    return [dict(zip(columns, values)) for values in zip(*columns.values())]
