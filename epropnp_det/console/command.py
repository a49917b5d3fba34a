"""The command `epropnp` and its subcommands; `python -m epropnp_det` is the same.

Nothing heavy is imported before a subcommand runs: `epropnp --version` and `--help` are immediate.
"""

from __future__ import annotations

import argparse
import sys

from epropnp_det import __version__
from epropnp_det.errors import main_guard

from . import detect, doctor, pose

EXAMPLES = """examples:
  epropnp detect street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 --checkpoint CHECKPOINT
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
    detect.add_parser(commands)
    doctor.add_parser(commands)
    pose.add_parser(commands)
    return parser


@main_guard
def main(arguments: list[str] | None = None) -> int:
    """Runs `epropnp` with the arguments of the command line, or these; returns the exit code."""
    options = make_parser().parse_args(arguments)
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
