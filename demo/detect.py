#!/usr/bin/env python
"""Detects objects in images of a calibrated camera: pictures with 3D boxes and a bird's-eye view,
and all numbers as JSON.

Example:
    python demo/detect.py street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 \\
        --config CONFIG --checkpoint CHECKPOINT --out found
    python demo/detect.py samples/CAM_FRONT/*.jpg \\
        --intrinsics nuscenes_infos_val_mono3d.coco.json --config CONFIG --checkpoint CHECKPOINT
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.command_line import add_device_argument
from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    from epropnp_det.detection.boxes import Boxes3D
    from epropnp_det.detection.data.class_set import ClassSet
    from epropnp_det.engine.intrinsics import Intrinsics

CONFIG = (
    Path(__file__).parents[1]
    / "configs"
    / "detection"
    / "nuscenes"
    / "epropnp_v2_r101_12e_nuscenes.py"
)
OUTPUT_SUFFIXES = (".png", ".json")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
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
    add_device_argument(parser)
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help and wrong arguments are dealt with.
    import torch
    from tqdm import tqdm

    from epropnp_det.detection.data.nuscenes_dataset import read_class_set
    from epropnp_det.engine.model import init_model

    cameras = [find_matrix(args.intrinsics, image) for image in args.images]
    for image in args.images:
        if not image.is_file():
            raise UserError(f"image {image} does not exist")
    names = output_names(args.images)
    refuse_to_overwrite([*args.images, Path(args.intrinsics)], args.out, names)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out} cannot be a folder: {error.strerror}") from error
    model = init_model(
        args.config,
        args.checkpoint,
        args.device or ("cuda" if torch.cuda.is_available() else "cpu"),
    )
    progress = tqdm(args.images, desc="detecting", unit="image")
    for image, camera, name in zip(progress, cameras, names):
        process(model, read_class_set(model.cfg), image, camera, name, args)
    print(f"pictures and detections: {args.out}")


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


def find_matrix(intrinsics: str, image: Path) -> Intrinsics:
    """Intrinsics of an image: those that were given, or those that a file has for it. Indexed like
    the camera matrix (3, 3).
    """
    from epropnp_det.engine.intrinsics import read_intrinsics

    return read_intrinsics(intrinsics, image)


def process(
    model,
    class_set: ClassSet,
    image: Path,
    intrinsics: Intrinsics,
    name: str,
    args: argparse.Namespace,
) -> None:
    """Writes NAME.png and NAME.json for one image.

    Raises:
        UserError: the image cannot be read, or a file cannot be written.
    """
    import cv2

    from epropnp_det.detection.inference import detect
    from epropnp_det.detection.reports.pictures import picture
    from epropnp_det.engine.images import read_image
    from epropnp_det.engine.json_files import write_json

    pixels = read_image(str(image))
    detections = detect(model, pixels, intrinsics, mc_samples=args.mc_samples)
    shown = detections[detections.score >= args.score_thr]
    drawn = picture(
        pixels, intrinsics.matrix, shown, class_set.class_names, background_kind=args.background
    )
    if not cv2.imwrite(str(args.out / f"{name}.png"), drawn):
        raise UserError(f"picture {args.out / name}.png cannot be written; choose another --out")
    content = dict(
        image=str(image),
        cam_intrinsic=intrinsics.matrix.tolist(),
        frame=FRAME,
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


def as_records(detections: Boxes3D, class_set: ClassSet) -> list[dict[str, Any]]:
    """Detections as plain values, best first."""
    columns = (
        detections.pose,
        detections.size,
        detections.velocity,
        detections.covariance,
        detections.score,
    )
    rows = zip(
        detections.label.tolist(),
        detections.attribute.tolist(),
        *(column.tolist() for column in columns),
    )
    return [
        dict(
            category=class_set.class_names[label],
            score=score,
            pose=pose,
            size=size,
            velocity=velocity,
            attribute=class_set.attribute_name(attribute),
            covariance=covariance,
        )
        for label, attribute, pose, size, velocity, covariance, score in rows
    ]


if __name__ == "__main__":
    sys.exit(main())
