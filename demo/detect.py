#!/usr/bin/env python
"""Detects objects in images, films and streams of a calibrated camera, as `epropnp detect` does:
pictures and films with 3D boxes and a bird's-eye view, and all numbers as JSON.

Example:
    python demo/detect.py street.jpg --intrinsics 1266.4,1266.4,816.3,491.5 \\
        --config CONFIG --checkpoint CHECKPOINT --out found
    python demo/detect.py drive.mp4 --intrinsics fov=70 --out found
    python demo/detect.py samples/CAM_FRONT \\
        --intrinsics nuscenes_infos_val_mono3d.coco.json --config CONFIG --checkpoint CHECKPOINT
    python demo/detect.py 'kitti/image_2/*.png' --intrinsics kitti/calib --pitch -1.5 \\
        --config CONFIG --checkpoint CHECKPOINT
"""

from __future__ import annotations

import sys

from epropnp_det.console import detect
from epropnp_det.console.detect import find_matrix
from epropnp_det.console.script import run_script

__all__ = ["find_matrix"]


def main() -> int:
    return run_script(detect, __doc__)


if __name__ == "__main__":
    sys.exit(main())
