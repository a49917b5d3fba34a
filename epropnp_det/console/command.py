"""The command `epropnp` and its subcommands; `python -m epropnp_det` is the same.

Nothing heavy is imported before a subcommand runs: `epropnp --version` and `--help` are immediate.
"""

from __future__ import annotations

import argparse
import sys

from epropnp_det import __version__
from epropnp_det.errors import main_guard

from . import calibrate, data, detect, doctor, export, pose, report, test, train

# Each module has EXAMPLES, `add_options` and `run`.
SUBCOMMANDS = {
    "detect": (detect, "3D boxes in images of a calibrated camera"),
    "pose": (pose, "poses of known objects in an image"),
    "train": (train, "train the model of a config"),
    "test": (test, "metrics, submission and pictures of a checkpoint"),
    "calibrate": (calibrate, "pose distributions that can be believed"),
    "export": (export, "the network of a detector for OpenVINO or ONNX"),
    "data": (data, "annotation files of nuScenes, KITTI and BOP"),
    "report": (report, "one HTML page about a checkpoint"),
    "doctor": (doctor, "check the installation"),
}

EXAMPLES = """examples:
  epropnp detect street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 --checkpoint CHECKPOINT
  epropnp train configs/detection/debug/one_frame.py
  epropnp doctor             check the installation, one line per check
  epropnp doctor --layer     check only what epropnp_det.pnp needs
  epropnp pose table.jpg --intrinsics 572.4,573.6,325.8,242.5 --boxes boxes.json
  epropnp --version
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; each sets `run`, which takes the options to an exit code."""
    parser = argparse.ArgumentParser(
        prog="epropnp",
        description="Monocular 3D object detection with pose distributions.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"epropnp_det {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, summary) in SUBCOMMANDS.items():
        subcommand = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(subcommand)
        subcommand.set_defaults(run=module.run)
    return parser


@main_guard
def main(arguments: list[str] | None = None) -> int:
    """Runs `epropnp` with the arguments of the command line, or these; returns the exit code."""
    options = make_parser().parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
