#!/usr/bin/env python
"""Checks the installation, one line per check, failures with a remedy, as `epropnp doctor` does.

Exit code 1 if a required check fails. Needs nothing but Python itself, and no installation.

Example:
    python tools/doctor.py
    python tools/doctor.py --layer
"""

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # The installed package comes first, this clone's second.
    sys.path.append(str(Path(__file__).parents[1]))
    from epropnp_det.console import doctor

    doctor.add_options(parser)
    return doctor.run_checks(parser.parse_args().layer)


if __name__ == "__main__":
    sys.exit(main())
