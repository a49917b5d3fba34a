#!/usr/bin/env python
"""Draws the loss curves of a training from its *.log.json files; several files of one resumed
training are joined.

Example:
    python tools/plot_training.py work_dirs/one_frame docs/images/one_frame_losses.png
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work_dir", type=Path, help="folder of the training")
    parser.add_argument("picture", type=Path, help="file to write, .png or .svg")
    return parser.parse_args()


def read_log(work_dir: Path) -> list[dict]:
    """Training records of all logs in time order, with `step` counted in iterations."""
    files = sorted(work_dir.glob("*.log.json"))
    if not files:
        raise UserError(f"{work_dir} has no *.log.json file; name the work dir of a training")
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    # A resumed training logs some iterations again: the later record counts.
    steps = {(r["epoch"], r["iter"]): r for r in records if r.get("mode") == "train"}
    if not steps:
        raise UserError(
            f"{files[-1]} holds no training record yet; let the training run for a log interval"
        )
    return [steps[key] for key in sorted(steps)]


def draw(records: list[dict], picture: Path) -> None:
    """One panel a loss, and one for the position error in metres where the model logs it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in records[0] if "loss" in name or name == "position_error"]
    columns = 4
    rows = -(-len(names) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(3.2 * columns, 2.2 * rows), sharex=True, squeeze=False
    )
    for axis, name in zip(axes.flat, names):
        axis.plot([r[name] for r in records], linewidth=1)
        axis.set_title(
            name.replace("_", " ") + (" [m]" if name == "position_error" else ""), fontsize=9
        )
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(names) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel(f"log record, every {records[0]['iter']} iterations")
    figure.tight_layout()
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110)


@main_guard
def main() -> None:
    args = parse_args()
    draw(read_log(args.work_dir), args.picture)


if __name__ == "__main__":
    sys.exit(main())
