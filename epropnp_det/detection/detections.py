"""What `detect` returns: the detections of an image, with names, tables, pictures and files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from epropnp_det.engine.image_arrays import to_bgr
from epropnp_det.engine.images import read_image
from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.engine.json_files import write_json
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.output_files import write_bytes, write_text
from epropnp_det.errors import UserError

from .boxes import Boxes3D, corners
from .data.class_set import ClassSet
from .data.image_view import undistorted

if TYPE_CHECKING:
    import pandas as pd

FRAME = (
    "camera: x right, y down, z forward; pose = x, y, z of the gravity centre [m], yaw about y "
    "[rad]; size = length, height, width [m]; "
    "velocity = vx, vz [m/s]; covariance of the pose, 4x4, calibrated where there is a temperature"
)
LEVEL_FRAME = (
    "`level` of the detections has the units of `frame`; x and z lie on the ground, z along the "
    "heading of the camera, and y points down"
)
POSE_NAMES = ("x", "y", "z", "yaw")
PICTURE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")


@dataclass(frozen=True)
class Detections(Boxes3D):
    """n detections in an image, best first, in the frame of its camera; see `Boxes3D`.

    Indexing and `filter` keep the camera and the classes.

    Args:
        classes: those of the model.
        camera: that of the image.
    """

    classes: ClassSet = field(kw_only=True)
    camera: Intrinsics = field(kw_only=True)

    @property
    def names(self) -> list[str]:
        """Class of each detection."""
        return [self.classes.class_names[label] for label in self.label.tolist()]

    def filter(
        self,
        score: float = 0.0,
        names: Sequence[str] | None = None,
        max_distance: float = float("inf"),
    ) -> Detections:
        """The detections with at least this score, of these classes, and within this distance.

        Args:
            score: in [0, 1].
            names: the classes; None for all.
            max_distance: from the camera, m.

        Raises:
            UserError: the model has no such class.
        """
        keep = (self.require("score") >= score) & (self.pose[:, :3].norm(dim=1) <= max_distance)
        if names is None:
            return self[keep]
        known = self.classes.class_names
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UserError(f"no class {', '.join(unknown)}; the model has {', '.join(known)}")
        labels = torch.tensor([known.index(name) for name in names], dtype=torch.long)
        return self[keep & torch.isin(self.label, labels.to(self.label))]

    def corners(self) -> Tensor:
        """(n, 8, 3) corners in the camera frame [m], in the order of `boxes.UNIT_CORNERS`: the
        rear face, then the front face.
        """
        level = self.in_level_frame()
        found = corners(level.pose, level.size)
        return found if self.level_rotation is None else found @ self.level_rotation

    def to_records(self) -> list[dict[str, Any]]:
        """Plain values, one dict per detection: category, score, pose, size, velocity, attribute
        and covariance; `level` has those of a tilted camera in its level frame.
        """
        columns = dict(
            category=self.names,
            score=self.require("score").tolist(),
            pose=self.pose.tolist(),
            size=self.size.tolist(),
            velocity=self.require("velocity").tolist(),
            attribute=[
                self.classes.attribute_name(index) for index in self.require("attribute").tolist()
            ],
        )
        if self.covariance is not None:
            columns["covariance"] = self.covariance.tolist()
        if self.temperature is not None:
            columns["temperature"] = self.temperature.tolist()
        if self.level_rotation is not None:
            level = self.in_level_frame()
            names = [name for name in ("pose", "velocity", "covariance") if name in columns]
            columns["level"] = rows_of({name: level.require(name).tolist() for name in names})
        return rows_of(columns)

    def to_pandas(self) -> pd.DataFrame:
        """One row per detection: name, score, x, y, z [m], yaw [rad], length, height, width [m],
        vx, vz [m/s], attribute, and the standard deviations x_std, y_std, z_std [m], yaw_std [rad].
        """
        import pandas as pd

        columns: dict[str, Any] = dict(name=self.names, score=self.require("score").tolist())
        columns |= _columns(POSE_NAMES, self.pose)
        columns |= _columns(("length", "height", "width"), self.size)
        columns |= _columns(("vx", "vz"), self.require("velocity"))
        columns["attribute"] = [
            self.classes.attribute_name(index) for index in self.require("attribute").tolist()
        ]
        if self.covariance is not None:
            deviation = self.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
            columns |= _columns([f"{name}_std" for name in POSE_NAMES], deviation)
        return pd.DataFrame(columns)

    def plot(
        self,
        image: Any,
        *,
        channels: str = "bgr",
        background: str = "image",
        tracks: Sequence[int] | None = None,
    ) -> Image.Image:
        """The image with the boxes, and next to it the scene from above.

        Args:
            image: the image of the detections: a file, or as `to_bgr` takes it. Lens distortion is
                removed.
            channels: order of an array, see `to_bgr`.
            background: "image", "blur" or "none".
            tracks: a number for each box, to show in place of its score.

        Raises:
            UserError: an image that cannot be read.
        """
        from .reports.pictures import picture

        pixels = read_image(image) if isinstance(image, (str, Path)) else to_bgr(image, channels)
        lens = Lens(self.camera.matrix, self.camera.distortion or ())
        drawn = picture(
            undistorted(pixels, lens),
            self.camera.matrix,
            self,
            self.classes.class_names,
            background_kind=background,
            tracks=tracks,
        )
        return Image.fromarray(np.ascontiguousarray(drawn[..., ::-1]))

    def save(self, path: str | Path, image: Any = None, *, channels: str = "bgr") -> None:
        """Writes a file of the kind that its suffix names: .json, .csv, or with the image of the
        detections a picture.

        Args:
            path: the file.
            image, channels: see `plot`; a JSON file has the path of the image.

        Raises:
            UserError: another suffix, a picture without `image`, or a file that cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (".json", ".csv", *PICTURE_SUFFIXES):
            raise UserError(
                f"{path}: the suffix must be .json, .csv, or {', '.join(PICTURE_SUFFIXES)}"
            )
        if path.suffix.lower() in PICTURE_SUFFIXES and image is None:
            raise UserError(f"{path} is a picture; give the image: save(path, image)")
        if path.suffix.lower() == ".json":
            write_json(path, self.to_json(image))
        elif path.suffix.lower() == ".csv":
            write_text(path, self.to_pandas().to_csv(index=False))
        else:
            write_picture(path, self.plot(image, channels=channels))

    def to_json(self, image: Any = None) -> dict[str, Any]:
        """The content of a JSON file: path of the image, camera, frame and `to_records`."""
        source = dict(image=str(image)) if isinstance(image, (str, Path)) else {}
        tilt = {} if self.level_rotation is None else dict(level_frame=LEVEL_FRAME)
        return dict(
            **source,
            cam_intrinsic=self.camera.matrix.tolist(),
            distortion=self.camera.distortion,
            frame=FRAME,
            **tilt,
            detections=self.to_records(),
        )


def write_picture(path: Path, picture: Image.Image) -> None:
    """Writes a picture and the folders above it; PNG with little compression, which takes a fifth
    of the time.

    Raises:
        UserError: the file cannot be written.
    """
    settings: dict[str, Any] = {}
    if path.suffix.lower() == ".png":
        settings["compress_level"] = 1
    stream = io.BytesIO()
    picture.save(stream, Image.registered_extensions()[path.suffix.lower()], **settings)
    write_bytes(path, stream.getvalue())


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Columns of n values as n rows."""
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def _columns(names: Sequence[str], values: Tensor) -> dict[str, list[float]]:
    return dict(zip(names, values.T.tolist(), strict=True))
