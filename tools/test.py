#!/usr/bin/env python
r"""Tests a checkpoint: metrics, a submission file, pictures.

Example:
    python tools/test.py configs/detection/debug/one_frame.py work_dirs/one_frame/latest.pth \
        --eval bbox --show-dir pictures
    python tools/test.py configs/detection/my_data.py latest.pth --eval distance iou
    python tools/test.py configs/object_pose/embedded_lite0.py latest.pth --eval bop
    tools/dist_test.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py epoch_12.pth 4 \
        --format-only
"""

from __future__ import annotations

import sys

from epropnp_det.console import test
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(test, __doc__)


if __name__ == "__main__":
    sys.exit(main())
