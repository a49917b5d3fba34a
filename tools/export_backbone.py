#!/usr/bin/env python
"""Writes backbone and neck of a checkpoint under the names of BEV detectors (img_backbone.*,
img_neck.*).

Their `load_from` takes the file: monocular 3D detection is a good pretraining for detectors with
several cameras.

Example:
    python tools/export_backbone.py work_dirs/epropnp_v2/latest.pth checkpoints/r101_dcn_epropnp.pth
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from epropnp_det.errors import main_guard


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoint",
        type=Path,
        metavar="IN",
        help="of this project, released, or of another detector of mmdet3d",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write")
    parser.add_argument(
        "--prefix",
        default="img_",
        help="put in front of backbone.* and neck.* (default: %(default)s)",
    )
    parser.add_argument("--backbone-only", action="store_true", help="leave the neck out")
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.engine.checkpoint import write_checkpoint
    from epropnp_det.engine.export_backbone import PARTS, export

    state = export(args.checkpoint, args.prefix, PARTS[:1] if args.backbone_only else PARTS)
    write_checkpoint(
        dict(meta=dict(exported_from=args.checkpoint.name), state_dict=state), args.out
    )
    numbers = sum(value.numel() for value in state.values())
    print(
        f"{args.out}: {len(state)} weights, {numbers / 1e6:.1f} M numbers, "
        f"from {next(iter(state))} on"
    )


if __name__ == "__main__":
    sys.exit(main())
