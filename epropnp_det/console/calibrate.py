"""`epropnp calibrate`: temperatures and conformal levels of a checkpoint, from scenes that no
training has seen.

Writes a checkpoint with the calibration, which all commands use; poses and scores stay as they are.
Predictions are made once and kept in --work-dir. Scenes are annotation files, or train, val or test
for a data set of the config, or files of predictions (.npz) from --work-dir. Of object poses they
are also folders in BOP's layout, and train renders patches.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from epropnp_det.engine.command_line import add_config_arguments
from epropnp_det.errors import UserError

EXAMPLES = r"""examples:
  epropnp calibrate CONFIG latest.pth calibrated.pth --scenes data/varied/101/ANN.json \
      data/varied/102/ANN.json --check data/varied/201/ANN.json
  epropnp calibrate configs/detection/real/epropnp_lite0_pandaset.py synthetic.pth pandaset.pth \
      --scenes train --check test
  epropnp calibrate configs/object_pose/lmo_lite0.py latest.pth calibrated.pth --scenes train \
      --check test
"""
PARTS = ("train", "val", "test")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path, metavar="OUT.pth", help="checkpoint to write")
    parser.add_argument(
        "--scenes", nargs="+", required=True, metavar="SCENES", help="to fit the calibration to"
    )
    parser.add_argument(
        "--check",
        nargs="+",
        default=[],
        metavar="SCENES",
        help="others, on which coverage and sharpness before and after are compared: OUT.json, "
        "OUT.png",
    )
    parser.add_argument(
        "--form",
        nargs="*",
        choices=("class", "distance", "tail"),
        help="what the temperatures depend on (default: what lowers the loss on images left out)",
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        metavar="DIR",
        help="predictions of the scenes; an interrupted run resumes there (default: "
        "work_dirs/NAME_OF_CONFIG/calibration)",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.2,
        help="of the detections that are compared (default: %(default)s)",
    )
    parser.add_argument(
        "--patches",
        type=int,
        default=800,
        help="of object poses, to render for train (default: %(default)s)",
    )
    parser.add_argument(
        "--mc-samples",
        type=int,
        default=256,
        help="of each pose, a multiple of 16 (default: %(default)s)",
    )
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Does what the arguments ask for.

    Raises:
        UserError: a wrong argument or file, or no object to compare.
    """
    if args.mc_samples < 16 or args.mc_samples % 16:
        raise UserError(f"--mc-samples is {args.mc_samples}; it takes a multiple of 16")
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.calibration.command import calibrate
    from epropnp_det.calibration.objects import CalibrationObjects
    from epropnp_det.detection.detector import EProPnPDet
    from epropnp_det.engine.checkpoint import HasCalibration
    from epropnp_det.engine.command_line import start
    from epropnp_det.engine.model import init_model

    config, device = start(argparse.Namespace(**vars(args), launcher="none"))
    model = init_model(config, args.checkpoint, device)
    if not isinstance(model, HasCalibration):
        raise UserError(f"a {type(model).__name__} predicts no pose distribution to calibrate")
    model.read_calibration({})

    def objects(scenes: Sequence[str]) -> CalibrationObjects | None:
        parts = [collected(model, config, each, args) for each in scenes]
        return CalibrationObjects.cat(parts) if parts else None

    names = model.bbox_head.classes.class_names if isinstance(model, EProPnPDet) else None
    calibrate(names, objects(args.scenes), objects(args.check), args)


def work_dir(args: argparse.Namespace) -> Path:
    """Where predictions are kept."""
    return args.work_dir or Path("work_dirs") / args.config.stem / "calibration"


def collected(model: Any, config: Any, scenes: str, args: argparse.Namespace) -> Any:
    """The objects of a file of them, an annotation file, a folder, or a data set of the config."""
    from epropnp_det.calibration.collecting import collect
    from epropnp_det.calibration.objects import CalibrationObjects
    from epropnp_det.object_pose.estimator import ObjectPoseEstimator

    if scenes.endswith(".npz"):
        return CalibrationObjects.load(scenes)
    find = rendered_or_real if isinstance(model, ObjectPoseEstimator) else annotated
    predict, number = find(model, config, scenes, args)
    name = "_".join(Path(scenes).resolve().parts[1:]) if scenes not in PARTS else scenes
    stamp = f"{args.checkpoint.stem}_{args.checkpoint.stat().st_mtime_ns}"
    return collect(predict, number, work_dir(args) / stamp / name)


def annotated(
    model: Any, config: Any, scenes: str, args: argparse.Namespace
) -> tuple[Callable, int]:
    """What predicts the detections of an annotation file, or of a data set of the config, and the
    number of images.
    """
    from epropnp_det.detection.evaluation.calibration_objects import matched_objects
    from epropnp_det.detection.evaluation.pose_distributions import DistributionSettings
    from epropnp_det.engine.config import build_dataset

    if scenes in PARTS:
        settings = dict(config.data[scenes], pipeline=config.data.test.pipeline)
    else:
        root = f"{Path(scenes).parent}/"
        settings = dict(config.data.test, ann_file=scenes, data_root=root, img_prefix=root)
    dataset = build_dataset(type(config._cfg_dict)(settings), test_mode=True, config=config)
    chosen = DistributionSettings(score_threshold=args.score_thr)
    return lambda indices: matched_objects(model, dataset, indices, chosen), len(dataset)


def rendered_or_real(
    model: Any, config: Any, scenes: str, args: argparse.Namespace
) -> tuple[Callable, int]:
    """What predicts the patches of a folder, or of a data set of the config, and their number."""
    from epropnp_det.engine.config import build_dataset
    from epropnp_det.object_pose.evaluation.calibration_objects import known_objects

    is_rendered = scenes == "train"
    settings = dict(config.data[scenes] if scenes in PARTS else config.data.test)
    if is_rendered:
        settings = rendered_anew(settings, args.patches, work_dir(args))
    elif scenes not in PARTS:
        settings["root"] = scenes
    dataset = build_dataset(
        type(config._cfg_dict)(settings), test_mode=not is_rendered, config=config
    )
    return lambda indices: known_objects(model, dataset, indices), len(dataset)


def rendered_anew(settings: dict[str, Any], patches: int, folder: Path) -> dict[str, Any]:
    """Patches that the training has not seen; scenes that they store are in a folder."""
    fresh: dict[str, Any] = dict(seed=settings.get("seed", 0) + 1_000_003, length=patches)
    if settings["type"] == "StoredCrops":
        fresh |= dict(stored=patches, cache=str(folder / f"{patches}_scenes"))
    return settings | fresh
