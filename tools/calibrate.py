#!/usr/bin/env python
r"""Makes the pose distributions of a checkpoint believable: temperatures and conformal levels, from
scenes that no training has seen.

Example:
    python tools/calibrate.py configs/detection/synthetic/epropnp_r18_varied.py \
        configs/detection/synthetic/epropnp_r18_varied.pth calibrated.pth \
        --scenes data/varied/101/nuscenes_mini_infos_train_mono3d.coco.json \
        --check data/varied/201/nuscenes_mini_infos_train_mono3d.coco.json
"""

from __future__ import annotations

import sys

from epropnp_det.console import calibrate
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(calibrate, __doc__)


if __name__ == "__main__":
    sys.exit(main())
