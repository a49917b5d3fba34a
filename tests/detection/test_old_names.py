"""Names of the release before: old modules forward to their new homes, with one warning."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from epropnp_det.detection.old_names import DATASETS, MODELS, Moved

OLD = [("datasets", *item) for item in DATASETS.items()]
OLD += [("models", *item) for item in MODELS.items()]

SCRIPT = """
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    from epropnp_det.datasets.transforms import read_image
    from epropnp_det.datasets import NuScenesCameraDataset, annotation_check, convert, submission
    import epropnp_det.models
from epropnp_det.detection.data import nuscenes_convert, transforms
assert read_image is transforms.read_image
assert convert.create is nuscenes_convert.write_annotation_files
moved = [str(one.message) for one in seen if "epropnp_det.detection" in str(one.message)]
assert len(moved) == 2 and len(set(moved)) == 1, moved
assert list(annotation_check.faults(dict(images=[], annotations=[], categories=[]), ".")) == []
meta = {f"use_{name}": name == "camera" for name in ("camera", "lidar", "radar", "map", "external")}
(empty,) = submission.faults(dict(meta=meta, results={}))
assert "sample" in str(empty), empty
"""


@pytest.mark.parametrize(("package", "name", "moved"), OLD, ids=lambda value: str(value)[:40])
def test_old_modules_name_a_new_home(package: str, name: str, moved: Moved) -> None:
    home = importlib.import_module(f"epropnp_det.{moved.home}")
    assert all(hasattr(home, new) for new in moved.renamed.values())


def test_old_imports_work_and_warn_once() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, cwd=root
    )
    assert done.returncode == 0, done.stderr
