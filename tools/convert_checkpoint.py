#!/usr/bin/env python
"""Converts a checkpoint of the released EPro-PnP-Det programs (v1, v1b, v2) and prints its config.

Code in the file is never run: only tensors and plain values are read.

Example:
    python tools/convert_checkpoint.py epropnp_det_v2.pth checkpoints/v2.pth
    python tools/test.py configs/detection/released/epropnp_det_v2.py checkpoints/v2.pth --eval bbox
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import main_guard

CONFIGS = Path(__file__).resolve().parents[1] / "configs" / "detection" / "released"
MODELS = ("auto", "v1", "v1b_220312", "v1b_220411", "v2")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, metavar="IN", help="the released checkpoint")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write")
    parser.add_argument(
        "--model",
        choices=MODELS,
        default="auto",
        help="architecture (default: recognised from names and shapes)",
    )
    parser.add_argument(
        "--head-only",
        action="store_true",
        help="convert the detection head alone, without backbone and neck",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.detection.released.conversion import convert
    from epropnp_det.engine.checkpoint import write_checkpoint

    found = convert(args.checkpoint, CONFIGS, args.model, args.head_only)
    meta = dict(
        architecture=found.architecture.name,
        config=found.config.name,
        first_pixel=found.first_pixel,
    )
    write_checkpoint(
        dict(meta=dict(meta, converted_from=args.checkpoint.name), state_dict=found.state), args.out
    )
    print(f"architecture  {found.architecture.name}")
    print(f"config        {relative(found.config)}")
    if found.architecture.equivalent:
        print(f"equivalent    {', '.join(found.architecture.equivalent)}: the same detections")
    print(
        f"pixels        the centre of the first one at {found.first_pixel}, as in the pipeline of "
        "the config"
    )
    print(
        f"weights       {found.match.matched} converted, {len(found.match.missing)} missing, "
        f"{len(found.match.unexpected)} unexpected"
    )
    for key in found.match.unexpected:
        print(f"left out      {key}")
    print(f"written       {args.out}")


def relative(path: Path) -> Path:
    """The path from the current folder, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
