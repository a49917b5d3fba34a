#!/usr/bin/env python
r"""Writes the weights of a checkpoint and their origin, without the optimizer.

Example:
    python tools/publish_checkpoint.py work_dirs/epropnp_r18_varied/latest.pth \
        configs/detection/synthetic/epropnp_r18_varied.pth
    python tools/publish_checkpoint.py work_dirs/embedded_lite0/latest.pth embedded.pth --half
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from epropnp_det.errors import main_guard

KEPT_META = ("exp_name", "seed", "epoch", "iter", "epropnp_det_version", "CLASSES", "config")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", metavar="IN", type=Path, help="checkpoint of a training")
    parser.add_argument("out", metavar="OUT", type=Path, help="file to write")
    parser.add_argument(
        "--half",
        action="store_true",
        help="weights of convolutions and linear layers as float16, in half the space; models read "
        "them as float32",
    )
    return parser.parse_args()


@main_guard
def main() -> None:
    args = parse_args()
    # Slow to import, so after --help and wrong arguments.
    from epropnp_det.engine.checkpoint import read_checkpoint, state_dict_of, write_checkpoint

    checkpoint = read_checkpoint(args.checkpoint)
    meta = {key: value for key, value in checkpoint.get("meta", {}).items() if key in KEPT_META}
    state = state_dict_of(checkpoint)
    if args.half:
        # Vectors, such as the variances of batch norm, are small, and may exceed float16's range.
        state = {
            key: value.half() if value.dim() > 1 and value.is_floating_point() else value
            for key, value in state.items()
        }
    calibration = {key: checkpoint[key] for key in ("calibration",) if key in checkpoint}
    write_checkpoint(dict(meta=meta, state_dict=state, **calibration), args.out)
    data = args.out.read_bytes()
    print(f"{args.out}: {len(data) / 1e6:.1f} MB, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    sys.exit(main())
