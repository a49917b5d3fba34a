"""What `tools/create_data.py bop` does and prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from epropnp_det.engine.file_checks import summarize
from epropnp_det.errors import USER_ERROR_EXIT_CODE

from .bop_check import check_dataset
from .coco_annotations import write_coco_files
from .models_info import write_models_info
from .object_models import INFO_FILE
from .symmetry_search import SymmetrySettings


def check(root: str | Path) -> int:
    """Prints what a data set holds and its mistakes; returns the exit code.

    Raises:
        UserError: the folder is no BOP data set, or a file has another form.
    """
    counts, faults = check_dataset(root)
    print("\n".join(counts.lines()))
    for line in summarize(faults):
        print(f"error: {line}", file=sys.stderr)
    if faults:
        return USER_ERROR_EXIT_CODE
    print(f"{root}: valid")
    return 0


def write_coco(root: str | Path, splits: Sequence[str], overwrite: bool) -> int:
    """Writes COCO annotations of the splits and prints their files; returns the exit code.

    Raises:
        UserError: the folder is no BOP data set, a split is missing, or a file has another form.
    """
    for path, is_new in write_coco_files(root, splits, overwrite):
        print(f"wrote {path}" if is_new else f"{path} is there; --overwrite writes it again")
    return 0


def measure(folder: str | Path, tolerance: float, ignore_colors: bool, overwrite: bool) -> int:
    """Writes `models_info.json` of a folder of meshes and prints what was found.

    Raises:
        UserError: no mesh, a mesh in another unit than mm or with holes, or a file in the way.
    """
    plain = SymmetrySettings(tolerance)
    settings = SymmetrySettings(tolerance, None) if ignore_colors else plain
    for object_id, info in write_models_info(folder, settings, overwrite).items():
        size = " x ".join(f"{info[f'size_{axis}']:.1f}" for axis in "xyz")
        discrete = len(info.get("symmetries_discrete", []))
        continuous = len(info.get("symmetries_continuous", []))
        print(
            f"object {object_id}: diameter {info['diameter']:.1f} mm, box {size} mm, "
            f"{discrete} discrete and {continuous} continuous symmetries"
        )
    print(f"wrote {Path(folder) / INFO_FILE}")
    return 0
