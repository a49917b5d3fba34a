"""Objects in the frames of a film, with the numbers of their tracks: as values, as a film and as
JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from mmcv.runner import BaseModule

from epropnp_det.engine.film_frames import Film, FilmFrame
from epropnp_det.engine.films import Mp4Film
from epropnp_det.engine.intrinsics import Intrinsics
from epropnp_det.engine.json_files import json_rows
from epropnp_det.errors import IncompleteError

from .detections import FRAME, LEVEL_FRAME, Detections
from .inference import OneImage, detect
from .tracking import MOVING_CAMERA, GroundDetections, Tracks, update


@dataclass(frozen=True)
class FilmSettings:
    """How the objects of a film are found.

    Args:
        threshold: least score of a tracked box.
        batch: frames predicted together.
        frames: at most so many; None for all.
        detect: further arguments of `inference.detect`.
    """

    threshold: float
    batch: int
    frames: int | None
    detect: dict[str, Any]


@dataclass(frozen=True)
class TrackedFrame:
    """A frame, its detections of at least the threshold, and the numbers (n,) of their tracks."""

    frame: FilmFrame
    detections: Detections
    identity: np.ndarray

    def to_record(self) -> dict[str, Any]:
        """Plain values: index, time [s] and detections, each with its track."""
        rows = zip(self.identity.tolist(), self.detections.to_records(), strict=True)
        detections = [dict(track=track, **row) for track, row in rows]
        return dict(index=self.frame.index, time=self.frame.time, detections=detections)

    def to_picture(self, background: str) -> np.ndarray:
        """The frame with boxes and the numbers of their tracks, next to it the scene from above,
        (H, W, 3) uint8 BGR; `background` as of `Detections.plot`.
        """
        tracks = self.identity.tolist()
        drawn = self.detections.plot(self.frame.pixels, background=background, tracks=tracks)
        return np.ascontiguousarray(np.asarray(drawn)[..., ::-1])


def tracked_frames(
    model: BaseModule, film: Film, camera: Intrinsics, settings: FilmSettings
) -> Iterator[TrackedFrame]:
    """The objects of each frame, tracked at constant velocity in the level frame of the camera.

    Raises:
        IncompleteError: after the last frame, as `Film.frames`.
        ImageError: the model cannot take the frames.
    """
    tracks = Tracks.none()
    for frames in _batches(film, settings):
        pixels: list[OneImage] = [frame.pixels for frame in frames]
        found = detect(model, pixels, [camera] * len(frames), **settings.detect)
        for frame, detections in zip(frames, found, strict=True):
            finite = detections.pose.isfinite().all(dim=1)
            kept = detections[finite & (detections.require("score") >= settings.threshold)]
            seen = GroundDetections.of_camera(kept)
            tracks, identity = update(tracks, seen, frame.time, MOVING_CAMERA)
            yield TrackedFrame(frame, kept, identity)


def write_tracked_film(
    frames: Iterator[TrackedFrame],
    film: Film,
    camera: Intrinsics,
    output: Path,
    background: str = "image",
) -> IncompleteError | None:
    """Writes OUTPUT.mp4, boxes and view from above side by side, and OUTPUT.json with all tracked
    boxes.

    Args:
        frames: from `tracked_frames`, at least one.
        film: that of the frames.
        camera: that of the film.
        output: the files without their suffixes.
        background: that of the pictures, see `Detections.plot`.

    Returns:
        The fault of a film that ends early: the frames before it are in the files.

    Raises:
        ImageError: the model cannot take the frames.
        UserError: a file cannot be written.
    """
    first = next(frames)
    head = dict(
        film=str(film.source),
        rate=film.rate,
        cam_intrinsic=camera.matrix.tolist(),
        distortion=camera.distortion,
        frame=FRAME,
    )
    if first.detections.level_rotation is not None:
        head["level_frame"] = LEVEL_FRAME
    with (
        json_rows(output.with_name(f"{output.name}.json"), head, "frames") as add_row,
        Mp4Film(output.with_name(f"{output.name}.mp4"), film.rate) as pictures,
    ):
        try:
            for each in chain([first], frames):
                pictures.add(each.to_picture(background))
                add_row(each.to_record())
        except IncompleteError as fault:
            return fault
    return None


def _batches(film: Film, settings: FilmSettings) -> Iterator[list[FilmFrame]]:
    """Frames that are predicted together. The fault of a film comes after all its frames."""
    batch: list[FilmFrame] = []
    try:
        for frame in islice(film.frames(), settings.frames):
            batch.append(frame)
            if len(batch) == settings.batch:
                yield batch
                batch = []
    except IncompleteError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
