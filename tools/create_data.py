#!/usr/bin/env python
"""Writes the annotation files that training and testing read, and the LiDAR points that auxiliary
losses learn from.

An interrupted run resumes where it stopped.

Example:
    python tools/create_data.py nuscenes data/nuscenes --version v1.0-mini
    python tools/create_data.py nuscenes data/nuscenes --version v1.0-mini --lidar --processes 4
    python tools/create_data.py kitti data/kitti
    python tools/create_data.py kitti data/kitti val.json --frames ImageSets/val.txt
    python tools/create_data.py bop data/lmo
    python tools/create_data.py bop data/lmo --coco
    python tools/create_data.py bop --models data/own/models
"""

from __future__ import annotations

import sys

from epropnp_det.console import data
from epropnp_det.console.light_start import import_detection_without_models
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(data, __doc__)


if __name__ == "__main__":
    import_detection_without_models()
    sys.exit(main())
