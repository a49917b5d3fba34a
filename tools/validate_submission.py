#!/usr/bin/env python
"""Checks a nuScenes detection submission as the benchmark does: one line for each kind of mistake,
or a short summary.

Flags of `meta`, every sample of the split, at most 500 boxes per sample, class names, attributes
that fit the class, finite numbers, unit quaternions, positive sizes, scores from 0 to 1. The
samples are compared where --data-root names a database.

Example:
    python tools/validate_submission.py work_dirs/one_frame/test/results_nusc.json --data-root
    data/one_frame --version v1.0-mini
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import USER_ERROR_EXIT_CODE, main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "submission",
        type=Path,
        metavar="RESULTS_JSON",
        help="for instance the results_nusc.json of tools/test.py",
    )
    parser.add_argument(
        "--data-root",
        metavar="DIR",
        help="the database whose samples must be there; default: samples are not compared",
    )
    parser.add_argument(
        "--version", default="v1.0-trainval", help="its folder of tables (default: %(default)s)"
    )
    parser.add_argument(
        "--eval-set",
        metavar="SPLIT",
        help="val, test, mini_val, ... (default: the split that shares most samples)",
    )
    args = parser.parse_args()
    if args.eval_set and args.data_root is None:
        parser.error("--eval-set needs --data-root: the samples of a split are in the database")
    return args


@main_guard
def main() -> int:
    args = parse_args()
    from epropnp_det.detection.data import nuscenes_convert
    from epropnp_det.detection.data.class_set import NUSCENES
    from epropnp_det.detection.evaluation import (
        submission_check,  # slow to import: not before --help and bad arguments are dealt with
    )
    from epropnp_det.engine.file_checks import summarize

    content = submission_check.read_submission(args.submission)
    split = None
    if args.data_root is not None:
        split = submission_check.find_split(
            nuscenes_convert.open_database(args.data_root, args.version), content, args.eval_set
        )
    mistakes = summarize(submission_check.find_faults(content, NUSCENES, split))
    for line in mistakes:
        print(f"error: {line}", file=sys.stderr)
    if not mistakes:
        print(f"{args.submission}: {submission_check.summary(content, NUSCENES, split)}")
    return USER_ERROR_EXIT_CODE if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
