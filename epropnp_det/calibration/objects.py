"""Objects with a predicted distribution and a true pose: what a calibration is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.output_files import writing
from epropnp_det.engine.outside_files import check_regular_file
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera, Correspondences, PnPProblem
from epropnp_det.pnp._records import Record

# Fields of a problem by their names in a file; a mask is left out, as networks have none.
_POINTS = ("x3d", "x2d", "w2d")
_CAMERA = ("matrix", "clip_min", "clip_max", "image_origin")


@dataclass(frozen=True)
class CalibrationObjects(Record):
    """n predicted objects and their true poses.

    Args:
        problem: (n,), at temperature one.
        pose: (n, D) found by the solver, in the frame of the problem; (x, y, z, yaw) or
            (x, y, z, qw, qx, qy, qz).
        truth: (n, D).
        label: (n,) index of the class or of the object.
        image: (n,) number of the image; objects of one image are not independent.
        symmetric: (n,) bool, the true pose is the nearest of several.
        oriented: (n,) bool, False where the true orientation means nothing and is the predicted
            one.
    """

    problem: PnPProblem
    pose: Tensor
    truth: Tensor
    label: Tensor
    image: Tensor
    symmetric: Tensor
    oriented: Tensor

    def __len__(self) -> int:
        return len(self.label)

    @property
    def distance(self) -> Tensor:
        """(n,) from the camera to the predicted position [m]."""
        return self.pose[:, :3].norm(dim=1)

    @classmethod
    def cat(cls, parts: Sequence[CalibrationObjects]) -> CalibrationObjects:
        """Joins at least one part."""
        tables = [part.to_arrays() for part in parts]
        same = {name: tables[0][name] for name in ("z_min", "robust")}
        joined = {
            name: np.concatenate([table[name] for table in tables])
            for name in tables[0]
            if name not in same
        }
        return cls.from_arrays(joined | same)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All values by name, as `from_arrays` takes them."""
        problem = self.problem
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "problem"}
        points = {name: getattr(problem.points, name) for name in _POINTS}
        camera = {name: getattr(problem.camera, name) for name in _CAMERA}
        tensors = own | points | camera | dict(delta=problem.delta)
        return {name: value.cpu().numpy() for name, value in tensors.items()} | dict(
            z_min=np.array(problem.camera.z_min), robust=np.array(problem.robust)
        )

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> CalibrationObjects:
        """The inverse of `to_arrays`."""
        value = {
            name: torch.from_numpy(array)
            for name, array in arrays.items()
            if array.dtype.kind != "U"
        }
        points = Correspondences(*(value[name] for name in _POINTS))
        pixels = {name: value[name] for name in _CAMERA}
        camera = Camera(**pixels, z_min=float(arrays["z_min"]))
        problem = PnPProblem(points, camera, value["delta"], str(arrays["robust"]))
        own = {f.name: value[f.name] for f in fields(cls) if f.name != "problem"}
        return cls(problem=problem, **own)

    def save(self, path: Path) -> None:
        """Writes an .npz file; a reader finds it complete or not at all.

        Raises:
            UserError: the file cannot be written.
        """
        with writing(path), replacing(path, "wb") as file:
            np.savez_compressed(file, **self.to_arrays())

    @classmethod
    def load(cls, path: str | Path) -> CalibrationObjects:
        """The objects of a file of `save`.

        Raises:
            UserError: the file is missing, broken or of another kind.
        """
        remedy = "name a file that `epropnp calibrate` wrote"
        check_regular_file(path, "file", remedy)
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls.from_arrays(dict(file))
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
        except (KeyError, TypeError, ValueError, EOFError, BadZipFile) as error:
            raise UserError(f"{path} holds no objects for a calibration; {remedy}") from error
