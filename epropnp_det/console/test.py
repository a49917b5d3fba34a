"""`epropnp test`: tests a checkpoint. Writes metrics, a submission file and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from epropnp_det.engine.command_line import add_config_arguments, add_launcher_argument
from epropnp_det.errors import UserError

EXAMPLES = """examples:
  epropnp test configs/detection/debug/one_frame.py work_dirs/one_frame/latest.pth --eval bbox
  epropnp test configs/detection/my_data.py latest.pth --eval distance iou --show-dir pictures
  epropnp test configs/object_pose/embedded_lite0.py latest.pth --eval bop
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--eval",
        nargs="*",
        metavar="METRIC",
        help="bbox: the official metrics of nuScenes; distance: the same by the annotation file "
        "alone; iou: average precision by overlap; bop: those of object poses; segm, and bbox: "
        "COCO's of a detector of known objects; no name: what fits the dataset. Writes "
        "metrics.json",
    )
    parser.add_argument(
        "--format-only",
        action="store_true",
        help="write the submission file alone, for a split without annotations",
    )
    parser.add_argument(
        "--out-dir",
        type=Path,
        metavar="DIR",
        help="metrics and submission (default: work_dirs/NAME_OF_CONFIG/test)",
    )
    parser.add_argument(
        "--show-dir",
        type=Path,
        metavar="DIR",
        help="one picture per image: predicted boxes solid, ground truth dashed; of object poses "
        "the outlines, ground truth white",
    )
    parser.add_argument(
        "--background",
        choices=("image", "blur", "none"),
        default="image",
        help="of the pictures (default: %(default)s)",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.2,
        help="of the boxes in the pictures (default: %(default)s)",
    )
    add_config_arguments(parser, "model.test_cfg.nms_2d=0.7")
    add_launcher_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Does what the arguments ask for.

    Raises:
        UserError: a wrong argument or file.
    """
    if args.eval is None and not (args.format_only or args.show_dir):
        raise UserError("nothing to do: give --eval METRIC, --format-only or --show-dir DIR")
    if args.eval is not None and args.format_only:
        raise UserError(
            "--eval and --format-only exclude each other: --eval writes the submission file too"
        )
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.engine.command_line import start
    from epropnp_det.engine.config import build_dataset
    from epropnp_det.engine.model import init_model
    from epropnp_det.engine.prediction import predict_dataset

    config, device = start(args)
    dataset = build_dataset(config.data.test, test_mode=True, config=config)
    if args.show_dir and config.data.test.type == "CocoObjects":
        raise UserError("--show-dir draws no boxes without poses; use demo/object_pose.py")
    if args.eval is not None:
        args.eval = dataset.check_evaluation(args.eval or None)
    model = init_model(config, args.checkpoint, device)
    results = predict_dataset(model, dataset, workers=config.data.workers_per_gpu)
    if results is not None:  # the first process
        report(args, dataset, results)


def report(args: argparse.Namespace, dataset: Any, results: list[Any]) -> None:
    """Writes what the arguments ask for."""
    from epropnp_det.engine.json_files import write_json
    from epropnp_det.engine.output_files import make_folder

    out_dir = args.out_dir or Path("work_dirs") / args.config.stem / "test"
    if args.eval is not None or args.format_only:
        make_folder(out_dir)
    if args.format_only:
        path, _ = dataset.format_results(results, jsonfile_prefix=str(out_dir))
        print(f"submission: {path}")
    if args.eval:
        metrics = dataset.evaluate(results, metric=args.eval, jsonfile_prefix=str(out_dir))
        write_json(out_dir / "metrics.json", metrics, indent=1)
        print(f"metrics: {out_dir}")
    if args.show_dir:
        draw(args, dataset, results)


def draw(args: argparse.Namespace, dataset: Any, results: list[Any]) -> None:
    """One picture per image."""
    from epropnp_det.detection.reports.pictures import draw_dataset
    from epropnp_det.object_pose.data.bop_targets import BopTargets
    from epropnp_det.object_pose.reports.target_pictures import draw_targets

    if isinstance(dataset, BopTargets):
        poses = [result["object_pose"] for result in results]
        draw_targets(dataset.boxes, poses, dataset.models, args.show_dir, args.background)
        return
    draw_dataset(
        dataset,
        results,
        args.show_dir,
        background_kind=args.background,
        score_threshold=args.score_thr,
    )
