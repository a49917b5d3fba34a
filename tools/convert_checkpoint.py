#!/usr/bin/env python
"""Converts a checkpoint of the released EPro-PnP-Det (v1, v1b, v2) or EPro-PnP-6DoF (v1, v2)
programs, or of the first stage of CDPN, and prints its config.

Code in the file is never run: only tensors and plain values are read.

Example:
    python tools/convert_checkpoint.py epropnp_det_v2.pth checkpoints/v2.pth
    python tools/test.py configs/detection/released/epropnp_det_v2.py checkpoints/v2.pth --eval bbox

A 6DoF checkpoint of v1 is recognised by its translation head. Where that is cut off already, name
the model: --model 6dof_v1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import main_guard

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
MODELS = (
    "auto",
    *("v1", "v1b_220312", "v1b_220411", "v2"),
    *("6dof_v1", "6dof_v2", "cdpn_stage_1"),
)


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
        help="convert the head alone, without the backbone (and the detector's neck)",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import: not before --help.
    from epropnp_det.detection.released.conversion import FAMILY as DETECTION
    from epropnp_det.engine.checkpoint import write_checkpoint
    from epropnp_det.engine.released import convert
    from epropnp_det.object_pose.released.conversion import FAMILY as OBJECT_POSE

    families = (DETECTION, OBJECT_POSE)
    found = convert(args.checkpoint, CONFIGS, families, args.model, args.head_only)
    architecture = found.architecture
    meta = dict(
        architecture=architecture.name,
        config=found.config.name,
        first_pixel=found.first_pixel,
        converted_from=args.checkpoint.name,
    )
    write_checkpoint(dict(meta=meta, state_dict=found.state), args.out)
    print(f"architecture  {architecture.name}")
    print(f"config        {relative(found.config)}")
    if architecture.equivalent:
        print(f"equivalent    {', '.join(architecture.equivalent)} give the same results")
    if found.first_pixel is not None:
        print(f"pixels        centre of the first one at {found.first_pixel}, set by the config")
    missing = [key for key in found.match.missing if not key.startswith(architecture.fresh)]
    print(
        f"weights       {found.match.matched} converted, {len(missing)} missing, "
        f"{len(found.match.unexpected)} unexpected"
    )
    if architecture.fresh:
        names = ", ".join(f"{prefix}*" for prefix in architecture.fresh)
        print(f"fresh         {names} are not in the checkpoint; train with --load-from")
    for key in found.match.unexpected:
        print(f"left out      {key}")
    if found.dropped:
        print(f"dropped       {len(found.dropped)} weights of CDPN's own outputs")
    print(f"written       {args.out}")


def relative(path: Path) -> Path:
    """The path from the current folder, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
