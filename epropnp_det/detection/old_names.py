"""Modules that used to live in `epropnp_det.datasets` and `epropnp_det.models`, for one release.

`import epropnp_det.datasets.transforms` still works: the module forwards each name to its new home.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from epropnp_det.detection.data.class_set import NUSCENES
from epropnp_det.errors import RenamedWarning

HOME = "epropnp_det.detection"


@dataclass(frozen=True)
class Moved:
    """A module's new home below `epropnp_det`, and functions that have another name there."""

    home: str
    renamed: Mapping[str, str] = field(default_factory=dict)


DATASETS = {
    "annotation_check": Moved("detection.data.annotation_check", {"faults": "find_faults"}),
    "annotation_file": Moved(
        "detection.data.annotation_file", {"read": "read_annotations", "write": "write_json"}
    ),
    "convert": Moved("detection.data.nuscenes_convert", {"create": "write_annotation_files"}),
    "evaluation": Moved("detection.evaluation.nuscenes_metrics", {"table": "format_metrics_table"}),
    "fcos3d": Moved("detection.baselines.fcos3d_inputs"),
    "frames": Moved("detection.data.frames"),
    "fusion": Moved("detection.evaluation.camera_fusion"),
    "load_lidar": Moved("detection.data.load_lidar"),
    "nuscenes": Moved("detection.data.nuscenes_dataset"),
    "object_crops": Moved("detection.pretraining.object_crops"),
    "object_points": Moved(
        "detection.data.lidar_files",
        {"create": "write_point_files", "write": "write_points", "read": "read_points"},
    ),
    "projection": Moved("detection.data.projection"),
    "submission": Moved(
        "detection.evaluation.submission_check",
        {"read": "read_submission", "faults": "find_faults"},
    ),
    "symmetry": Moved("detection.data.symmetric_yaw", {"FaceAway": "CanonicalizeSymmetricYaw"}),
    "transforms": Moved("detection.data.transforms"),
}
MODELS = {
    "auxiliary": Moved("detection.heads.auxiliary_head"),
    "auxiliary_losses": Moved("detection.training.auxiliary_losses"),
    "baseline": Moved("detection.baselines.fcos3d"),
    "boxes": Moved("detection.boxes"),
    "coders": Moved("detection.heads.coders"),
    "correspondence": Moved("detection.heads.deformable_correspondence"),
    "dense_head": Moved("detection.heads.dense_head"),
    "dense_losses": Moved("detection.training.dense_losses"),
    "detector": Moved("detection.detector"),
    "flip_tta": Moved("detection.heads.flip_tta"),
    "heading_classifier": Moved("detection.pretraining.heading_classifier"),
    "losses": Moved("losses"),
    "object_branches": Moved("detection.heads.object_branches"),
    "object_head": Moved("detection.heads.object_head"),
    "object_losses": Moved("detection.training.object_losses"),
    "pnp_head": Moved("detection.heads.pnp_head"),
    "postprocess": Moved("detection.heads.postprocess"),
    "released": Moved("detection.released.key_names"),
    "scoring": Moved("detection.heads.scoring"),
    "targets": Moved("detection.training.targets"),
}


class _ForwardingModule(types.ModuleType):
    """Forwards every name to the module's new home."""

    def __init__(self, name: str, moved: Moved) -> None:
        super().__init__(name, f"Moved to epropnp_det.{moved.home}.")
        self._moved = moved

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        home = importlib.import_module(f"epropnp_det.{self._moved.home}")
        value = getattr(home, self._moved.renamed.get(name, name))
        return _with_nuscenes_classes(value) if name == "faults" else value


def _with_nuscenes_classes(check: Callable[..., Any]) -> Callable[..., Any]:
    """The old check functions took no class set: they used the classes of nuScenes."""

    @wraps(check)
    def checked(content: Any, *rest: Any, **named: Any) -> Any:
        if check.__module__.endswith("submission_check"):
            return check(content, NUSCENES, *rest, **named)
        return check(content, *rest, class_set=NUSCENES, **named)

    return checked


def forward(package: str, moved: Mapping[str, Moved]) -> None:
    """Makes the old submodules of `package` importable, and warns once that they moved."""
    for name, target in moved.items():
        module = _ForwardingModule(f"{package}.{name}", target)
        sys.modules[module.__name__] = module
        setattr(sys.modules[package], name, module)
    # The same text for both packages: a config that imports both gets one warning.
    warnings.warn(
        f"epropnp_det.models and epropnp_det.datasets moved to {HOME}; write "
        f'custom_imports = dict(imports=["{HOME}"]) in the config',
        RenamedWarning,
        stacklevel=3,
    )
