#!/usr/bin/env python
"""Writes the network of a detector for OpenVINO or ONNX Runtime, as `epropnp export` does.

Example:
    python tools/export.py configs/detection/synthetic/epropnp_lite0.py \\
        configs/detection/synthetic/epropnp_lite0.pth --to openvino lite0.xml
"""

from __future__ import annotations

import sys

from epropnp_det.console import export
from epropnp_det.console.script import run_script


def main() -> int:
    return run_script(export, __doc__)


if __name__ == "__main__":
    sys.exit(main())
