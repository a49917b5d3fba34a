"""`epropnp report`: writes one HTML page about a checkpoint, with 3D boxes on images, the scene
from above with pose samples, and distributions of headings.

The images are spread evenly over the config's test set. Visible ground-truth boxes are dashed. The
page contains its pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from epropnp_det.engine.command_line import add_config_arguments
from epropnp_det.errors import UserError

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
        "--score-thr", type=float, default=0.2, help="of the boxes (default: %(default)s)"
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
    import numpy as np

    from epropnp_det.detection.evaluation.pose_distributions import (
        DistributionSettings,
        predict_distributions,
    )
    from epropnp_det.detection.reports.panels import image_panel, load_metrics
    from epropnp_det.drawing.html_page import Page, write_page
    from epropnp_det.engine.command_line import model_and_dataset

    numbers = () if args.metrics is None else load_metrics(args.metrics)
    model, dataset = model_and_dataset(args)
    indices = np.unique(np.linspace(0, len(dataset) - 1, args.images).round().astype(int)).tolist()
    settings = DistributionSettings(args.mc_samples, args.score_thr)
    images = tuple(
        image_panel(result, dataset.CLASSES)
        for result in predict_distributions(model, dataset, settings, indices)
    )
    lead = (
        f"{len(images)} of the {len(dataset)} test images of {args.config}, predicted by "
        f"{args.checkpoint}. For every object the model "
        "finds a distribution of poses, not one pose alone: how far away it may be, and where it "
        "may be heading."
    )
    page = Page(
        "Objects and how certain they are",
        lead,
        images,
        dataset.CLASSES,
        numbers,
        _lines(args.commands),
    )
    args.page.parent.mkdir(parents=True, exist_ok=True)
    write_page(args.page, page)
    if numbers:
        print("  ".join(f"{number.name} {number.value}" for number in numbers))
    print(f"page: {args.page}")


def _lines(path: Path | None) -> tuple[str, ...]:
    if path is None:
        return ()
    try:
        return tuple(path.read_text().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as text") from error
