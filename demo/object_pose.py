#!/usr/bin/env python
"""Poses of known objects in images of a calibrated camera, as `epropnp pose` does: pictures with
outlines, axes and the distribution of each orientation, and all numbers as JSON.

A detector finds the objects. With --boxes it is not needed: a JSON list with `bbox` [x, y, width,
height in pixels] and `obj_id` of each object, or a file of detections of the BOP challenge.

Example:
    python demo/object_pose.py table.jpg --intrinsics 572.4,573.6,325.8,242.5
    python demo/object_pose.py table.jpg --intrinsics 572.4,573.6,325.8,242.5 --boxes boxes.json
    python demo/object_pose.py data/own/test/000000/rgb/000003.jpg --boxes detections.json \\
        --intrinsics data/own/test/000000/scene_camera.json --models data/own/models \\
        --config my_config.py --checkpoint work_dirs/my_config/latest.pth --samples 512
"""

from __future__ import annotations

import sys

from epropnp_det.console import pose
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(pose, __doc__)


if __name__ == "__main__":
    sys.exit(main())
