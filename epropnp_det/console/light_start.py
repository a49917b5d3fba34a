"""A quick start for commands that read and write files alone."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def import_detection_without_models() -> None:
    """Lets `epropnp_det.detection.data` be imported without torch, mmdet and mmdet3d, which take
    seconds and half a gigabyte.

    The package `epropnp_det.detection` registers its models when it is imported. Here an empty one
    takes its place, unless it is there already: no model can be built in this process. Only a
    command that is its own process may call this.
    """
    name = "epropnp_det.detection"
    empty = ModuleType(name)
    empty.__path__ = [str(Path(__file__).parents[1] / "detection")]
    sys.modules.setdefault(name, empty)
