"""Films of pictures."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from PIL import Image

from epropnp_det.errors import UserError

from .output_files import write_bytes, writing

_COLORS = 96  # of a GIF


class Mp4Film:
    """A context that writes an MP4 film, and the folders above it. The file is there at the end of
    the context if there was no error and at least one frame.

    Args:
        path: the file.
        rate: frames per second.

    Raises:
        UserError: the film cannot be written.
    """

    def __init__(self, path: Path, rate: float):
        self.path = path
        self.rate = rate
        self.frames = 0
        # OpenCV takes the kind of film from the suffix.
        self._temporary = path.with_name(f".{os.getpid()}{path.suffix}")
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> Mp4Film:
        return self

    def add(self, frame: np.ndarray) -> None:
        """Writes a frame (H, W, 3) uint8 BGR; all have one size."""
        if self._writer is None:
            with writing(self.path):
                self._temporary.touch()
            kind = cv2.VideoWriter.fourcc(*"mp4v")
            size = frame.shape[1::-1]
            self._writer = cv2.VideoWriter(str(self._temporary), kind, self.rate, size)
            if not self._writer.isOpened():
                raise UserError(
                    f"{self.path} cannot be written as a film; choose another name, or free some "
                    "space"
                )
        self._writer.write(frame)
        self.frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        place: TracebackType | None,
    ) -> None:
        if self._writer is None:
            return
        try:
            self._writer.release()
            if kind is None:
                self._replace()
        finally:
            self._temporary.unlink(missing_ok=True)

    def _replace(self) -> None:
        # OpenCV does not report a full disk.
        written = cv2.VideoCapture(str(self._temporary)).get(cv2.CAP_PROP_FRAME_COUNT)
        if written != self.frames:
            raise UserError(
                f"{self.path} cannot be written: {written:.0f} of {self.frames} frames are in the "
                "film; free some space or choose another folder"
            )
        with writing(self.path):
            os.replace(self._temporary, self.path)


def write_film(path: Path, frames: Sequence[np.ndarray], seconds: float) -> None:
    """Writes a GIF where the name ends in .gif, else an MP4 film.

    Args:
        path: the file.
        frames: at least one, (H, W, 3) uint8 BGR each, of one size.
        seconds: how long each is seen.

    Raises:
        UserError: no film can be written there.
    """
    if path.suffix == ".gif":
        _write_gif(path, frames, seconds)
        return
    with Mp4Film(path, 1 / seconds) as film:
        for frame in frames:
            film.add(frame)


def _write_gif(path: Path, frames: Sequence[np.ndarray], seconds: float) -> None:
    first, *others = [
        Image.fromarray(frame[..., ::-1].copy()).quantize(_COLORS, dither=Image.Dither.NONE)
        for frame in frames
    ]
    stream = io.BytesIO()
    first.save(
        stream,
        "GIF",
        save_all=True,
        append_images=others,
        duration=round(1000 * seconds),
        loop=0,
    )
    write_bytes(path, stream.getvalue())
