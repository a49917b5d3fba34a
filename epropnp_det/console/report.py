"""`epropnp report`: writes one HTML page about a checkpoint: a table by class, curves, calibration,
and every object with its errors, points and distributions.

The images are spread evenly over the config's test set. The page filters by class and score, sorts
by error, and opens objects close up. It is a single file of less than 30 MB.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from epropnp_det.engine.command_line import add_config_arguments
from epropnp_det.engine.outside_files import read_text
from epropnp_det.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from epropnp_det.drawing.html_page import Page

EXAMPLES = r"""examples:
  epropnp report configs/detection/debug/one_frame.py work_dirs/one_frame/latest.pth report.html \
      --images 6
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("page", type=Path, metavar="PAGE.html")
    parser.add_argument(
        "--images",
        type=int,
        default=12,
        metavar="N",
        help="shown of the test set (default: %(default)s)",
    )
    parser.add_argument(
        "--score-thr",
        type=float,
        default=0.2,
        help="where the slider of the page starts (default: %(default)s)",
    )
    parser.add_argument(
        "--min-score",
        type=float,
        default=0.1,
        help="detections below are left out of the page, not of its metrics (default: %(default)s)",
    )
    parser.add_argument(
        "--mc-samples",
        type=int,
        default=512,
        help="of each pose, a multiple of 4 (default: %(default)s)",
    )
    parser.add_argument(
        "--metrics",
        type=Path,
        metavar="FILE",
        help="the metrics.json of tools/test.py, to show on top",
    )
    parser.add_argument(
        "--commands",
        type=Path,
        metavar="FILE",
        help="a text file to show at the bottom: how this came to be",
    )
    add_config_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Does what the arguments ask for.

    Raises:
        UserError: a wrong argument or file.
    """
    if args.images < 1:
        raise UserError(f"--images is {args.images}; it takes at least one")
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.detection.reports.metrics_file import load_metrics
    from epropnp_det.drawing.html_page import page_text
    from epropnp_det.engine.command_line import model_and_dataset
    from epropnp_det.engine.output_files import write_text

    numbers = () if args.metrics is None else load_metrics(args.metrics)
    commands = _lines(args.commands)
    model, dataset = model_and_dataset(args)
    page = replace(make_page(args, model, dataset), numbers=numbers, commands=commands)
    write_text(args.page, page_text(page))
    if numbers:
        print("  ".join(f"{number.name} {number.value}" for number in numbers))
    print(f"page: {args.page}, {args.page.stat().st_size / 1e6:.1f} MB")


def make_page(args: argparse.Namespace, model: nn.Module, dataset: Any) -> Page:
    """Predicts the images and collects the content of the page."""
    import numpy as np

    from epropnp_det.calibration.reliability import Reliability
    from epropnp_det.detection.evaluation.camera_metrics import box_tables
    from epropnp_det.detection.evaluation.pose_distributions import (
        DistributionSettings,
        predict_distributions,
    )
    from epropnp_det.detection.evaluation.reliability import image_reliability
    from epropnp_det.detection.reports import page_content
    from epropnp_det.drawing.html_page import Page

    indices = np.unique(np.linspace(0, len(dataset) - 1, args.images).round().astype(int)).tolist()
    least_score = min(args.min_score, args.score_thr)
    settings = page_content.ImageSettings.for_images(len(indices), least_score)
    distributions = DistributionSettings(args.mc_samples, score_threshold=0.0)
    images = []
    boxes = []
    compared: list[Reliability] = []
    for result in predict_distributions(model, dataset, distributions, indices):
        images.append(page_content.shown_image(result, dataset.class_set, settings))
        boxes.append(page_content.without_samples(result.detections))
        compared.append(image_reliability(result.above(args.score_thr), dataset.class_set))
    truth = [dataset.get_counted_boxes(index) for index in indices]
    records = [dataset.data_infos[index] for index in indices]
    tables = box_tables(boxes, truth, records, dataset.metrics)
    found = Reliability.cat(compared)
    title = f"all detections with a true box and a score of at least {args.score_thr:g}"
    return Page(
        title="Objects and how certain they are",
        lead=f"{len(images)} of the {len(dataset)} test images of {args.config}, predicted by "
        f"{args.checkpoint}. For every object the model predicts a distribution of poses: how far "
        "away it may be, and where it may be heading.",
        class_names=tuple(dataset.CLASSES),
        images=tuple(images),
        score=args.score_thr,
        least_score=least_score,
        classes=page_content.class_results(*tables, dataset.class_set, dataset.metrics.distance),
        coverage=(page_content.region_coverage(title, found),) if found.with_distribution else (),
    )


def _lines(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    return tuple(read_text(path, "commands", "name a text file").splitlines())
