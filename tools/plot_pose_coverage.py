#!/usr/bin/env python
r"""Draws how often the true poses of a test lie in the predicted regions, a row for each test.

Example:
    python tools/test.py CONFIG latest.pth --eval bop --out-dir corrected
    python tools/test.py CONFIG latest.pth --eval bop --out-dir released \
        --cfg-options model.points.match_train_weights=False
    python tools/plot_pose_coverage.py coverage.png corrected/levels.json released/levels.json \
        --titles corrected "as released"
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.engine.output_files import write_pixels
from epropnp_det.errors import UserError, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="file to write, .png or .jpg")
    parser.add_argument(
        "levels", type=Path, nargs="+", help="levels.json of tools/test.py --eval bop"
    )
    parser.add_argument("--titles", nargs="+", help="one for each file (default: their folders)")
    parser.add_argument(
        "--without-symmetries",
        action="store_true",
        help="leave out objects that have symmetries: the nearest of their true poses counts",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    titles = args.titles or [path.parent.name for path in args.levels]
    if not len(set(titles)) == len(titles) == len(args.levels):
        raise UserError("--titles takes one title for each file, all different")
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.object_pose.evaluation.coverage import (
        coverage_table,
        draw_coverage,
        read_levels,
    )

    runs = {}
    for title, path in zip(titles, args.levels):
        levels = read_levels(path)
        chosen = [each for each in levels if not (args.without_symmetries and each.symmetric)]
        if not chosen:
            raise UserError(f"{path}: every object has symmetries; leave --without-symmetries out")
        runs[f"{title}: {len(chosen)} objects"] = chosen
    for title, levels in runs.items():
        print(title)
        for name, share in coverage_table(levels).items():
            print(f"  {name}: {100 * share:.1f} %")
    write_pixels(args.picture, draw_coverage(runs))


if __name__ == "__main__":
    sys.exit(main())
