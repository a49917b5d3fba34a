#!/usr/bin/env python
"""Trains the model of a config.

Example:
    python tools/train.py configs/detection/debug/one_frame.py --work-dir work_dirs/one_frame
    tools/dist_train.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py 4 --resume
"""

from __future__ import annotations

import sys

from epropnp_det.console import train
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(train, __doc__)


if __name__ == "__main__":
    sys.exit(main())
