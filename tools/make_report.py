#!/usr/bin/env python
"""Writes one HTML page about a checkpoint: 3D boxes on images, the scene from above with pose
samples, distributions of headings.

The images are those of the config's test set, spread evenly over it; true boxes that can be seen
are drawn dashed. The pictures are inside the file.

Example:
    python tools/make_report.py configs/detection/debug/one_frame.py work_dirs/one_frame/latest.pth
    report.html --images 6
"""

from __future__ import annotations

import sys

from epropnp_det.console import report
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(report, __doc__)


if __name__ == "__main__":
    sys.exit(main())
