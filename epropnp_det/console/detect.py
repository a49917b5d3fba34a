"""Objects in images, films and streams of a calibrated camera: pictures and films with 3D boxes and
a bird's-eye view, and all numbers as JSON.

The objects of a film have the numbers of their tracks. Ctrl-C ends a stream; what came before is
kept.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.command_line import add_device_argument, add_strict_argument, apply_strict
from epropnp_det.errors import ImageError, IncompleteError, UserError, one_line

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from epropnp_det.detection.detections import Detections
    from epropnp_det.detection.reports.rerun_recording import RerunRecording
    from epropnp_det.engine.intrinsics import Intrinsics
    from epropnp_det.engine.sources import Stream

EXAMPLES = """examples:
  epropnp detect --demo
  epropnp detect street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 --out found
  epropnp detect samples/CAM_FRONT --intrinsics nuscenes_infos_val_mono3d.coco.json \\
      --config CONFIG --checkpoint CHECKPOINT
  epropnp detect 'kitti/image_2/*.png' --intrinsics kitti/calib --pitch -1.5 \\
      --config CONFIG --checkpoint CHECKPOINT
  epropnp detect drive.mp4 street.jpg 'more/*' --intrinsics camera.yaml --out found
  epropnp detect rtsp://camera/live --intrinsics fov=70 --frames 500
  epropnp detect 0 --intrinsics fov=70
  epropnp detect drive.mp4 --intrinsics camera.yaml --rerun drive.rrd
"""
CONFIGS = Path(__file__).parents[2] / "configs" / "detection"
SHIPPED = CONFIGS / "synthetic" / "epropnp_lite0.py"
CONFIG = CONFIGS / "nuscenes" / "epropnp_v2_r101_12e_nuscenes.py"
DEMO_IMAGE = Path(__file__).with_name("street.jpg")
DEMO_INTRINSICS = "1266.4,1266.4,816.3,491.5"
DEMO_SAMPLES = 512
BATCH_ON_GPU = 8
OUTPUT_SUFFIXES = (".png", ".json", ".mp4")
ANY_SIZE = (1600, 900)  # of a film that is not opened yet


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument(
        "images",
        nargs="*",
        metavar="IMAGE",
        help="an image, a film, a folder, a pattern in quotes, the address of a stream "
        "(rtsp://..., http://...), or the number of a camera",
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
        help="of boxes in the pictures, and of tracked boxes; the JSON of an image has all "
        "(default: %(default)s)",
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
        help=f"images or frames predicted together (default: {BATCH_ON_GPU} on a GPU, else 1)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        metavar="N",
        help="of each film or stream, at most (default: all)",
    )
    parser.add_argument(
        "--rerun",
        type=Path,
        metavar="FILE.rrd",
        help="write a recording for the viewer of Rerun too: images, cameras, boxes, ellipsoids of "
        "the positions, time",
    )
    parser.add_argument(
        "--background",
        choices=("image", "blur", "none"),
        default="image",
        help="of the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--runtime",
        default="torch",
        metavar="torch|openvino|onnxruntime|FILE",
        help="of the network; FILE is one of epropnp export (default: %(default)s)",
    )
    add_strict_argument(parser)
    add_device_argument(parser)


def numbers(text: str) -> tuple[float, ...]:
    """The argument of --distortion."""
    return tuple(float(word) for word in text.split(","))


def run(args: argparse.Namespace) -> int:
    """Writes NAME.png and NAME.json of each image, NAME.mp4 and NAME.json of each film or stream,
    into --out.

    Raises:
        UserError: a wrong argument or file, or files that had to be skipped or are incomplete.
    """
    if args.demo:
        use_demo(args)
    if not args.images or args.intrinsics is None:
        raise UserError("give IMAGE and --intrinsics, or --demo")
    for name in ("batch", "frames"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise UserError(f"--{name} is {getattr(args, name)}; it takes at least one")
    config, checkpoint = find_model(args.config, args.checkpoint)
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.engine.sources import MEDIA_SUFFIXES, find_media, is_stream, other_files

    apply_strict(args)
    media = find_media(args.images)
    files = [source for source in args.images if not is_stream(source)]
    others = other_files(files, MEDIA_SUFFIXES)
    if others:
        print(f"not images or films: {', '.join(map(str, others))}", file=sys.stderr)
    faults = detect_all(media, config, checkpoint, args)
    if faults:
        are_images = not any(map(is_moving, media))
        kind = "images skipped" if are_images else "files skipped or incomplete"
        raise UserError(f"{len(faults)} of {len(media)} {kind}; first: {faults[0]}")
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


def is_moving(source: Path | Stream) -> bool:
    """Whether a source has frames."""
    from epropnp_det.engine.sources import Stream, is_film

    return isinstance(source, Stream) or is_film(source)


def detect_all(
    media: Sequence[Path | Stream], config: Path, checkpoint: Path, args: argparse.Namespace
) -> list[ImageError]:
    """Writes the outputs of all images, films and streams; returns the faults of skipped and
    incomplete ones.

    Raises:
        UserError: a wrong argument or file.
    """
    # Slow to import: not before wrong arguments are dealt with.
    import torch

    from epropnp_det.detection.reports.rerun_recording import check_recording, rerun_recording
    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.output_files import make_folder, output_names

    paths = [each if isinstance(each, Path) else each.path for each in media]
    for source, path in zip(media, paths):
        with contextlib.suppress(ImageError):  # counted when its turn comes
            find_matrix(args.intrinsics, path, ANY_SIZE if is_moving(source) else None)
    names = output_names(paths)
    inputs = [*paths, *intrinsics_files(args.intrinsics)]
    refuse_to_overwrite(inputs, args.out, names)
    if args.rerun is not None:
        check_recording(args.rerun, inputs)
    make_folder(args.out)
    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    model = init_model(config, checkpoint, device)
    if args.runtime != "torch":
        from epropnp_det.detection.deploy.runtime import runtime_network

        runtime_network(model, args.runtime)  # before the first image: it takes seconds
    batch = args.batch or (1 if device == "cpu" else BATCH_ON_GPU)
    with contextlib.ExitStack() as stack:
        recording = None if args.rerun is None else stack.enter_context(rerun_recording(args.rerun))
        work = Work(model, batch, args, recording)
        faults = process_all(work, list(zip(media, names)))
    print(f"pictures and detections of {len(media) - len(faults)} {kinds(media)}: {args.out}")
    return faults


def kinds(media: Sequence[Path | Stream]) -> str:
    """What the sources are, for a message."""
    moving = list(map(is_moving, media))
    if not any(moving):
        return "image(s)"
    return "film(s)" if all(moving) else "image(s) and film(s)"


@dataclass(frozen=True)
class Work:
    """What the sources of a command have in common.

    Args:
        model: the detector.
        batch: images or frames predicted together.
        args: the command line.
        recording: the file of --rerun.
    """

    model: nn.Module
    batch: int
    args: argparse.Namespace
    recording: RerunRecording | None


@dataclass(frozen=True)
class Loaded:
    """An image that could be read, and the name of its outputs."""

    path: Path
    name: str
    pixels: np.ndarray  # (H, W, 3) uint8 BGR
    intrinsics: Intrinsics


def process_all(work: Work, named: Sequence[tuple[Path | Stream, str]]) -> list[ImageError]:
    """Detects in all sources, each with the name of its outputs; returns the faults of skipped
    and incomplete ones, with a line for each on stderr.
    """
    from tqdm import tqdm

    found: list[ImageError] = []
    with tqdm(total=len(named), desc="detecting", unit="file", disable=None) as progress:
        for group in groups(named, work.batch):
            source, name = group[0]
            moving = is_moving(source)
            faults = process_film(work, source, name) if moving else process_images(work, group)
            if faults and len(named) == 1:
                raise faults[0]
            for fault in faults:
                kind = "incomplete" if isinstance(fault, IncompleteError) else "skipped"
                tqdm.write(f"{kind}: {one_line(fault)}", file=sys.stderr)
            found += faults
            progress.update(len(group))
    return found


def groups(
    named: Sequence[tuple[Path | Stream, str]], batch: int
) -> Iterator[list[tuple[Path | Stream, str]]]:
    """The sources in order: films one by one, up to `batch` images together."""
    for moving, run in itertools.groupby(named, lambda pair: is_moving(pair[0])):
        together = list(run)
        size = 1 if moving else batch
        for start in range(0, len(together), size):
            yield together[start : start + size]


def process_images(work: Work, named: Sequence[tuple[Path | Stream, str]]) -> list[ImageError]:
    """Detects in images that are predicted together; returns the faults of the skipped ones."""
    loaded: list[Loaded] = []
    faults: list[ImageError] = []
    for image, name in named:
        assert isinstance(image, Path)  # a film or stream is processed alone
        try:
            loaded.append(load(image, name, work.args))
        except ImageError as error:
            faults.append(error)
    return faults + process(work, loaded)


def process_film(work: Work, source: Path | Stream, name: str) -> list[ImageError]:
    """Writes NAME.mp4 and NAME.json of a film or stream; returns its fault, if it has one.

    Raises:
        UserError: a file cannot be written.
    """
    from tqdm import tqdm

    from epropnp_det.detection.film_tracks import FilmSettings, tracked_frames, write_tracked_film
    from epropnp_det.detection.reports.rerun_recording import recorded
    from epropnp_det.engine.film_frames import Film
    from epropnp_det.engine.interrupts import until_interrupt

    args = work.args
    settings = FilmSettings(args.score_thr, work.batch, args.frames, detect_settings(args))
    try:
        film = Film(source)
        path = source if isinstance(source, Path) else source.path
        camera = camera_of(path, args, film.size)
        frames = tracked_frames(work.model, film, camera, settings)
        total = film.expected if args.frames is None else args.frames
        shown = iter(tqdm(frames, desc=name, unit="frame", total=total, disable=None))
        if not isinstance(source, Path):
            shown = until_interrupt(shown)
        if work.recording is not None:
            shown = recorded(shown, work.recording, name)
        fault = write_tracked_film(shown, film, camera, args.out / name, args.background)
    except ImageError as error:
        return [error]
    return [] if fault is None else [fault]


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


def find_matrix(intrinsics: str, image: Path, size: tuple[int, int] | None = None) -> Intrinsics:
    """Intrinsics of an image: those that were given, or those that a file has for it. Indexed like
    the camera matrix (3, 3). `size` (width, height) is that of the image, None to read it there.
    """
    from epropnp_det.engine.intrinsics import read_intrinsics

    return read_intrinsics(intrinsics, image, size)


def camera_of(
    image: Path, args: argparse.Namespace, size: tuple[int, int] | None = None
) -> Intrinsics:
    """`find_matrix` with the --distortion of the command line."""
    intrinsics = find_matrix(args.intrinsics, image, size)
    if args.distortion is None:
        return intrinsics
    return replace(intrinsics, distortion=args.distortion)


def detect_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Further arguments of `inference.detect`."""
    return dict(mc_samples=args.mc_samples, pitch=args.pitch, roll=args.roll, runtime=args.runtime)


def load(image: Path, name: str, args: argparse.Namespace) -> Loaded:
    """Reads an image and its intrinsics.

    Raises:
        ImageError: the image cannot be read.
    """
    from epropnp_det.engine.images import read_image

    return Loaded(image, name, read_image(image), camera_of(image, args))


def process(work: Work, loaded: Sequence[Loaded]) -> list[ImageError]:
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
            work.model,
            [each.pixels for each in loaded],
            [each.intrinsics for each in loaded],
            **detect_settings(work.args),
        )
    except ImageError as error:
        if len(loaded) == 1:
            return [error]
        return [fault for each in loaded for fault in process(work, [each])]
    for each, found in zip(loaded, detections, strict=True):
        write(work, each, found)
    return []


def write(work: Work, image: Loaded, found: Detections) -> None:
    """Writes NAME.png and NAME.json of an image.

    Raises:
        UserError: a file cannot be written.
    """
    from epropnp_det.detection.detections import write_picture

    args = work.args
    shown = found.filter(args.score_thr)
    drawn = shown.plot(image.pixels, background=args.background)
    write_picture(args.out / f"{image.name}.png", drawn)
    found.save(args.out / f"{image.name}.json", image=str(image.path))
    if work.recording is not None:
        work.recording.add_image(image.name, image.pixels, shown)
