"""Detections as a recording for the viewer of Rerun: images, cameras, boxes and positions over
time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from epropnp_det.drawing.palette import class_rgb
from epropnp_det.engine.atomic_files import replacing
from epropnp_det.engine.lens import Lens
from epropnp_det.engine.optional_packages import optional_package
from epropnp_det.engine.output_files import writing
from epropnp_det.errors import UserError

from ..data.image_view import undistorted
from ..detections import Detections
from ..film_tracks import TrackedFrame

# The last releases that work with numpy 1, which mmdet needs: requirements/rerun.txt.
PACKAGES = "rerun-sdk==0.23.1 'pyarrow<20'"
SUFFIX = ".rrd"
_SIGMAS = 2.0  # of the half axes of the ellipsoids
_JPEG_QUALITY = 85
_REMEDY = "free some space or choose another folder"


def import_rerun() -> ModuleType:
    """The package of Rerun.

    Raises:
        UserError: it is not installed.
    """
    return optional_package("rerun", f"--rerun needs more packages: pip install {PACKAGES}")


class RerunRecording:
    """A recording that is being written; made by `rerun_recording`.

    What belongs to a source is below its name:

    * NAME: the level frame of the camera, x right, y down, z forward [m]
    * NAME/camera: image without lens distortion, pinhole, and rotation of a tilted camera
    * NAME/boxes: the boxes, with their captions
    * NAME/positions: ellipsoids of two standard deviations of the positions

    Args:
        rerun: the package.
        recording: its stream.
    """

    def __init__(self, rerun: ModuleType, recording: Any):
        self.image_bytes = 0
        self._images = 0
        self._rerun = rerun
        self._recording = recording

    def add(
        self,
        name: str,
        pixels: np.ndarray,
        found: Detections,
        captions: Sequence[str],
        *,
        frame: int,
        time: float | None = None,
    ) -> None:
        """Adds an image and its detections.

        Args:
            name: that of the source.
            pixels: (H, W, 3) uint8 BGR, as the lens shows it.
            found: n detections in it.
            captions: n texts.
            frame: number in the time line "frame".
            time: seconds in the time line "time", which only films have.
        """
        self._recording.set_time("frame", sequence=frame)
        if time is None:
            self._recording.disable_timeline("time")
        else:
            self._recording.set_time("time", duration=time)
        self._add_camera(name, pixels, found)
        self._add_boxes(name, found, captions)

    def add_image(self, name: str, pixels: np.ndarray, found: Detections) -> None:
        """Adds the next of the images that are no film, below "images"; their captions have the
        scores. Arguments as of `add`.
        """
        scores = found.require("score").tolist()
        captions = [f"{kind} {score:.2f}" for kind, score in zip(found.names, scores)]
        self.add("images", pixels, found, captions, frame=self._images)
        self._log(("images", "file"), self._rerun.TextLog(name))
        self._images += 1

    def _add_camera(self, name: str, pixels: np.ndarray, found: Detections) -> None:
        rerun = self._rerun
        lens = Lens(found.camera.matrix, found.camera.distortion or ())
        content = cv2.imencode(
            ".jpg", undistorted(pixels, lens), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )[1]
        self.image_bytes += len(content)
        self._log((name,), rerun.ViewCoordinates.RDF)
        if found.level_rotation is not None and len(found):
            rotation = found.level_rotation[0].double().numpy()
            self._log((name, "camera"), rerun.Transform3D(mat3x3=rotation))
        pinhole = rerun.Pinhole(
            image_from_camera=found.camera.matrix,
            resolution=pixels.shape[1::-1],
            camera_xyz=rerun.ViewCoordinates.RDF,
        )
        image = rerun.EncodedImage(contents=content.tobytes(), media_type="image/jpeg")
        self._log((name, "camera"), pinhole)
        self._log((name, "camera"), image)

    def _add_boxes(self, name: str, found: Detections, captions: Sequence[str]) -> None:
        rerun = self._rerun
        level = found.in_level_frame()
        colors = np.array([class_rgb(label) for label in level.label.tolist()]).reshape(-1, 3)
        center = level.pose[:, :3].double().numpy()
        about_y = Rotation.from_rotvec(level.pose[:, 3:].double().numpy() * [[0.0, 1.0, 0.0]])
        boxes = rerun.Boxes3D(
            half_sizes=level.size.double().numpy() / 2,
            centers=center,
            quaternions=about_y.as_quat(),
            colors=colors.astype(np.uint8),
            labels=captions,
        )
        self._log((name, "boxes"), boxes)
        if level.covariance is None:
            return
        covariance = level.covariance[:, :3, :3].double().numpy()
        known = np.isfinite(covariance).all(axis=(1, 2))
        half, axes = ellipsoids(covariance[known])
        positions = rerun.Ellipsoids3D(
            half_sizes=half,
            centers=center[known],
            quaternions=axes.as_quat(),
            colors=colors[known].astype(np.uint8),
        )
        self._log((name, "positions"), positions)

    def _log(self, path: Sequence[str], value: Any) -> None:
        self._recording.log(self._rerun.new_entity_path(path), value)


@contextmanager
def rerun_recording(path: Path) -> Iterator[RerunRecording]:
    """A recording that is in the file `path` at the end of the context, unless there was an error.

    Raises:
        UserError: no package, or a file that cannot be written.
    """
    rerun = import_rerun()
    with ExitStack() as stack:
        with writing(path):
            temporary = Path(stack.enter_context(replacing(path, "wb")).name)
        stream = rerun.RecordingStream("epropnp_det")
        try:
            stream.save(temporary)
        except RuntimeError as error:
            raise UserError(f"{path} cannot be written: {error}; {_REMEDY}") from error
        recording = RerunRecording(rerun, stream)
        try:
            yield recording
        finally:
            stream.flush(blocking=True)
            stream.disconnect()
        # Rerun does not raise where a disk becomes full.
        if temporary.stat().st_size < recording.image_bytes:
            raise UserError(f"{path} cannot be written: it is not whole; {_REMEDY}")
        with writing(path):
            stack.close()


def check_recording(path: Path, inputs: Sequence[Path]) -> None:
    """Raises UserError for a recording that cannot be written: another suffix than .rrd, an input
    file, or no package.
    """
    if path.suffix != SUFFIX:
        raise UserError(f"{path} is no name of a recording; end it in {SUFFIX}")
    if path.resolve() in {each.resolve() for each in inputs}:
        raise UserError(f"{path} is an input file; choose another --rerun")
    import_rerun()


def recorded(
    frames: Iterable[TrackedFrame], recording: RerunRecording, name: str
) -> Iterator[TrackedFrame]:
    """The frames of a film, each of which is in the recording too; its captions have the numbers of
    the tracks.
    """
    for each in frames:
        found = each.detections
        captions = [f"{kind} {track}" for kind, track in zip(found.names, each.identity.tolist())]
        place = each.frame
        recording.add(name, place.pixels, found, captions, frame=place.index, time=place.time)
        yield each


def ellipsoids(covariance: np.ndarray) -> tuple[np.ndarray, Rotation]:
    """Half axes (n, 3) of two standard deviations [m], and the rotations (n) from the axes of the
    ellipsoids to the frame of the covariances (n, 3, 3).
    """
    values, vectors = np.linalg.eigh(covariance)
    # The sign of an eigenvector is free; three of them have to be a rotation.
    vectors[..., 0] *= np.linalg.det(vectors)[:, None]
    return _SIGMAS * np.sqrt(values.clip(0.0)), Rotation.from_matrix(vectors)
