"""Objects in images of a calibrated camera: pictures with 3D boxes and a bird's-eye view, and all
numbers as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from epropnp_det.engine.command_line import add_device_argument, add_strict_argument, apply_strict
from epropnp_det.errors import ImageError, UserError, one_line

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from epropnp_det.detection.detections import Detections
    from epropnp_det.engine.intrinsics import Intrinsics

EXAMPLES = """examples:
  epropnp detect --demo
  epropnp detect street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 --out found
  epropnp detect samples/CAM_FRONT --intrinsics nuscenes_infos_val_mono3d.coco.json \\
      --config CONFIG --checkpoint CHECKPOINT
  epropnp detect 'kitti/image_2/*.png' --intrinsics kitti/calib --pitch -1.5 \\
      --config CONFIG --checkpoint CHECKPOINT
"""
CONFIGS = Path(__file__).parents[2] / "configs" / "detection"
SHIPPED = CONFIGS / "synthetic" / "epropnp_lite0.py"
CONFIG = CONFIGS / "nuscenes" / "epropnp_v2_r101_12e_nuscenes.py"
DEMO_IMAGE = Path(__file__).with_name("street.jpg")
DEMO_INTRINSICS = "1266.4,1266.4,816.3,491.5"
DEMO_SAMPLES = 512
BATCH_ON_GPU = 8
OUTPUT_SUFFIXES = (".png", ".json")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument(
        "images", nargs="*", metavar="IMAGE", help="a file, a folder, or a pattern in quotes"
    )
    parser.add_argument(
        "--demo", action="store_true", help="detect objects in a synthetic street image"
    )
    parser.add_argument(
        "--intrinsics",
        metavar="FX,FY,CX,CY|FILE[:CAMERA]|FOLDER|fov=DEGREES",
        help="in pixels; a file holds these 4 numbers or a 3x3 or 3x4 matrix (text or JSON), is a "
        "calibration of KITTI, ROS or OpenCV (YAML), or an annotation file that names the images "
        "(mono3d.coco.json); a folder has a file named after each image; fov is the horizontal "
        "field of view",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="default: the shipped model, trained on synthetic images; with --checkpoint the full "
        "nuScenes model",
    )
    parser.add_argument("--checkpoint", type=Path, help="default: the shipped weights")
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
        "--batch",
        type=int,
        metavar="N",
        help=f"images predicted together (default: {BATCH_ON_GPU} on a GPU, else 1)",
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
    if args.demo:
        use_demo(args)
    if not args.images or args.intrinsics is None:
        raise UserError("give IMAGE and --intrinsics, or --demo")
    if args.batch is not None and args.batch < 1:
        raise UserError(f"--batch is {args.batch}; it takes at least one")
    config, checkpoint = find_model(args.config, args.checkpoint)
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.engine.sources import FILM_SUFFIXES, find_images, other_files

    apply_strict(args)
    named = find_images(args.images)
    others = other_files(args.images)
    films = [path for path in [*named, *others] if path.suffix.lower() in FILM_SUFFIXES]
    images = [image for image in named if image not in films]
    no_images = [path for path in others if path not in films]
    if no_images:
        print(f"not images: {', '.join(map(str, no_images))}", file=sys.stderr)
    skipped = [ImageError(f"{film} is a film; give its pictures as image files") for film in films]
    for fault in skipped:
        print(f"skipped: {fault}", file=sys.stderr)
    if images:
        skipped += detect_all(images, config, checkpoint, args)
    if skipped:
        raise UserError(
            f"{len(skipped)} of {len(images) + len(films)} {'files' if films else 'images'} "
            f"skipped; first: {skipped[0]}"
        )
    if args.demo:
        show(args.out / f"{DEMO_IMAGE.stem}.png")
    return 0


def use_demo(args: argparse.Namespace) -> None:
    """Sets the image, the intrinsics and the samples of --demo.

    Raises:
        UserError: images or intrinsics as well.
    """
    if args.images or args.intrinsics is not None:
        raise UserError("--demo has an image and intrinsics of its own; leave out yours")
    args.images = [str(DEMO_IMAGE)]
    args.intrinsics = DEMO_INTRINSICS
    args.mc_samples = args.mc_samples or DEMO_SAMPLES


def find_model(config: Path | None, checkpoint: Path | None) -> tuple[Path, Path]:
    """Config and checkpoint: those given, else the shipped ones.

    Raises:
        UserError: a config alone, or a package without configs.
    """
    if checkpoint is not None:
        return config or CONFIG, checkpoint
    if config is not None:
        raise UserError(f"--config {config} needs --checkpoint, the weights of its model")
    if not SHIPPED.exists():
        raise UserError(
            "this installation has no configs; give --config and --checkpoint, or install from a "
            "clone of the repository: pip install -e ."
        )
    return SHIPPED, SHIPPED.with_suffix(".pth")


def show(picture: Path) -> None:
    """Opens a picture where there is a screen."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(picture.resolve().as_uri())


def detect_all(
    images: Sequence[Path], config: Path, checkpoint: Path, args: argparse.Namespace
) -> list[ImageError]:
    """Writes the outputs of all images; returns the faults of the skipped images.

    Raises:
        UserError: a wrong argument or file.
    """
    # Slow to import: not before wrong arguments are dealt with.
    import torch

    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.output_files import make_folder

    for image in images:
        with contextlib.suppress(ImageError):  # counted when its turn comes
            find_matrix(args.intrinsics, image)
    names = output_names(images)
    refuse_to_overwrite([*images, *intrinsics_files(args.intrinsics)], args.out, names)
    make_folder(args.out)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = init_model(config, checkpoint, device)
    batch = args.batch or (1 if device == "cpu" else BATCH_ON_GPU)
    skipped = process_all(model, images, names, batch, args)
    print(f"pictures and detections of {len(images) - len(skipped)} image(s): {args.out}")
    return skipped


@dataclass(frozen=True)
class Loaded:
    """An image that could be read, and the name of its outputs."""

    path: Path
    name: str
    pixels: np.ndarray  # (H, W, 3) uint8 BGR
    intrinsics: Intrinsics


def process_all(
    model: nn.Module,
    images: Sequence[Path],
    names: Sequence[str],
    batch: int,
    args: argparse.Namespace,
) -> list[ImageError]:
    """Detects in all images; returns the faults of the skipped images, with a line for each on
    stderr.
    """
    from tqdm import tqdm

    skipped: list[ImageError] = []
    with tqdm(total=len(images), desc="detecting", unit="image", disable=None) as progress:
        for start in range(0, len(images), batch):
            loaded: list[Loaded] = []
            faults: list[ImageError] = []
            for image, name in list(zip(images, names))[start : start + batch]:
                try:
                    loaded.append(load(image, name, args))
                except ImageError as error:
                    faults.append(error)
            faults += process(model, loaded, args)
            if faults and len(images) == 1:
                raise faults[0]
            for fault in faults:
                tqdm.write(f"skipped: {one_line(fault)}", file=sys.stderr)
            skipped += faults
            progress.update(min(batch, len(images) - start))
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


def load(image: Path, name: str, args: argparse.Namespace) -> Loaded:
    """Reads an image and its intrinsics.

    Raises:
        ImageError: the image cannot be read.
    """
    from epropnp_det.engine.images import read_image

    pixels = read_image(image)
    intrinsics = find_matrix(args.intrinsics, image)
    if args.distortion is not None:
        intrinsics = replace(intrinsics, distortion=args.distortion)
    return Loaded(image, name, pixels, intrinsics)


def process(
    model: nn.Module, loaded: Sequence[Loaded], args: argparse.Namespace
) -> list[ImageError]:
    """Writes NAME.png and NAME.json of images that are predicted together; returns the faults of
    the images that the model cannot take.

    Raises:
        UserError: a file cannot be written.
    """
    from epropnp_det.detection.inference import detect

    if not loaded:
        return []
    try:
        detections = detect(
            model,
            [each.pixels for each in loaded],
            [each.intrinsics for each in loaded],
            mc_samples=args.mc_samples,
            pitch=args.pitch,
            roll=args.roll,
        )
    except ImageError as error:
        if len(loaded) == 1:
            return [error]
        return [fault for each in loaded for fault in process(model, [each], args)]
    for each, found in zip(loaded, detections, strict=True):
        write(each, found, args)
    return []


def write(image: Loaded, found: Detections, args: argparse.Namespace) -> None:
    """Writes NAME.png and NAME.json of an image.

    Raises:
        UserError: a file cannot be written.
    """
    from epropnp_det.detection.detections import write_picture

    drawn = found.filter(args.score_thr).plot(image.pixels, background=args.background)
    write_picture(args.out / f"{image.name}.png", drawn)
    found.save(args.out / f"{image.name}.json", image=str(image.path))
