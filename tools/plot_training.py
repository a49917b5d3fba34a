#!/usr/bin/env python
"""Draws the loss curves of a training from its *.log.json files; those of a resumed training are
joined.

Example:
    python tools/plot_training.py work_dirs/one_frame docs/images/one_frame_losses.png
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from epropnp_det.engine.output_files import write_figure
from epropnp_det.engine.outside_files import parse_json, read_text
from epropnp_det.errors import UserError, main_guard

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work_dir", type=Path, help="folder of the training")
    parser.add_argument("picture", type=Path, help="file to write, .png or .svg")
    return parser.parse_args()


def read_log(work_dir: Path) -> list[dict]:
    """Training records of all logs in the order of their iterations.

    Raises:
        UserError: no log, none with a training record, or a line that is not JSON.
    """
    files = sorted(work_dir.glob("*.log.json"))
    if not files:
        raise UserError(f"{work_dir} has no *.log.json file; name the work dir of a training")
    records = [record for file in files for record in _records(file)]
    # A resumed training logs some iterations again: the later record counts.
    steps = {(r["epoch"], r["iter"]): r for r in records if r.get("mode") == "train"}
    if not steps:
        raise UserError(
            f"{files[-1]} holds no training record yet; let the training run for a log interval"
        )
    return [steps[key] for key in sorted(steps)]


def _records(file: Path) -> list[dict]:
    remedy = "name the work dir of a training"
    # A training that was killed leaves the beginning of a line.
    lines = read_text(file, "log", remedy).split("\n")[:-1]
    return [
        parse_json(line, f"log {file}, line {number}", remedy)
        for number, line in enumerate(lines, start=1)
    ]


def draw(records: list[dict]) -> Figure:
    """One panel per loss, and one for the position error in metres where the model logs it."""
    from matplotlib.figure import Figure

    names = [name for name in records[0] if "loss" in name or name == "position_error"]
    columns = 4
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.2 * rows))
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axis, name in zip(axes.flat, names):
        axis.plot([record[name] for record in records], linewidth=1)
        unit = " [m]" if name == "position_error" else ""
        axis.set_title(name.replace("_", " ") + unit, fontsize=9)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel(f"log record, every {records[0]['iter']} iterations")
    figure.tight_layout()
    return figure


@main_guard
def main() -> None:
    args = parse_args()
    figure = draw(read_log(args.work_dir))
    write_figure(args.picture, figure)


if __name__ == "__main__":
    sys.exit(main())
