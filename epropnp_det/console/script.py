"""Scripts of tools/ and demo/ that do what a subcommand of `epropnp` does."""

from __future__ import annotations

import argparse
from types import ModuleType

from epropnp_det.errors import main_guard


@main_guard
def run_script(module: ModuleType, description: str) -> int | None:
    """Runs a subcommand with the arguments of the command line.

    Args:
        module: has `add_options` and `run`.
        description: the text of `--help`.

    Raises:
        SystemExit: wrong arguments, or `--help`.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_options(parser)
    return module.run(parser.parse_args())
