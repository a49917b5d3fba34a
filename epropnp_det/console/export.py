"""Writes the network of a detector for OpenVINO or ONNX Runtime.

It takes images, camera matrices and sizes, any number of any size, and gives weighted points, sizes
and scores, from which `epropnp_det.pnp` or its C interface solves poses. `epropnp detect --runtime
OUT` uses the file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

EXAMPLES = """examples:
  epropnp export configs/detection/synthetic/epropnp_lite0.py \\
      configs/detection/synthetic/epropnp_lite0.pth --to openvino lite0.xml
  epropnp export configs/detection/synthetic/epropnp_lite0.py \\
      configs/detection/synthetic/epropnp_lite0.pth --to onnx lite0.onnx
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that `run` reads."""
    parser.add_argument("config", type=Path)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument(
        "--to",
        choices=("openvino", "onnx"),
        required=True,
        help="models with deformable convolutions have no ONNX file that a runtime reads",
    )
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="file to write: .xml (and .bin next to it) or .onnx"
    )


def run(args: argparse.Namespace) -> None:
    """Writes the file.

    Raises:
        UserError: a wrong argument or file, or a missing package.
    """
    # Slow to import: not before --help and wrong arguments are dealt with.
    from epropnp_det.detection.deploy.files import check_export, export
    from epropnp_det.engine.model import init_model

    check_export(args.to, args.out)
    export(init_model(args.config, args.checkpoint), args.to, args.out)
    print(f"network of {args.checkpoint}: {args.out}")
