"""Frames of films, streams and cameras, read by OpenCV."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from epropnp_det.errors import ImageError, IncompleteError

from .outside_files import check_regular_file
from .sources import Stream

# FFmpeg's own lines about broken films on stderr: one of ours replaces them.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

DEFAULT_RATE = 25.0  # frames per second where a film states none, or one that no camera has
MAX_RATE = 240.0
# Of the duration in the header. The number of frames there is an estimate for some kinds of films.
_WHOLE = 0.95
_HEAD = 4096  # bytes


@dataclass(frozen=True)
class FilmFrame:
    """A frame of a film.

    Args:
        index: 0 for the first.
        time: after the first frame [s], larger than that of the frame before.
        pixels: (H, W, 3) uint8 BGR, upright.
    """

    index: int
    time: float
    pixels: np.ndarray


class Film:
    """A film, a stream or a camera that is open.

    Attributes:
        rate: frames per second.
        expected: number of frames in the header of a film, in some kinds an estimate; None where
            there is none.
        size: width and height [px].

    Args:
        source: file of the film, or the stream.

    Raises:
        ImageError: no regular file, no film, cut off at its start, of an unknown codec, or without
            a frame that can be read; a stream that cannot be reached.
    """

    def __init__(self, source: Path | Stream):
        self.source = source
        self._kind = "stream" if isinstance(source, Stream) else "film"
        if isinstance(source, Path):
            _check_film_file(source)
        with _silent_opencv():
            self._capture = _open(source)
        if not self._capture.isOpened():
            raise ImageError(_why_closed(source))
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= MAX_RATE else DEFAULT_RATE
        number = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        is_file = isinstance(source, Path)
        self.expected = number if is_file and number > 0 else None
        self._duration = number / rate if is_file and number > 0 and rate > 0 else 0.0
        first = self._read()
        if first is None:
            remedy = "copy it again" if is_file else "save it as a file, and give that"
            raise ImageError(f"{self._kind} {source} has no frame that can be read; {remedy}")
        self._first = first
        self._start = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self.size = (first.shape[1], first.shape[0])

    def frames(self) -> Iterator[FilmFrame]:
        """The frames in order, once.

        Raises:
            IncompleteError: after the last frame that can be read, where the film is cut off;
                before a frame of another size.
        """
        pixels = self._first
        time = 0.0
        for index in count():
            yield FilmFrame(index, time, pixels)
            following = self._read()
            if following is None:
                break
            if following.shape != pixels.shape:
                raise IncompleteError(
                    f"frame {index + 1} of {self._kind} {self.source} is {following.shape[1]}x"
                    f"{following.shape[0]}, those before are {self.size[0]}x{self.size[1]}; cut "
                    "the film there"
                )
            pixels = following
            time = self._time_after(time)
        self._capture.release()
        if self.expected and index + 1 < self.expected and self._ends_early(time):
            raise IncompleteError(
                f"film {self.source} ends after {index + 1} of {self.expected} frames, so it is "
                "cut off or damaged; copy it again"
            )

    def _read(self) -> np.ndarray | None:
        is_there, pixels = self._capture.read()
        return pixels if is_there else None

    def _time_after(self, time: float) -> float:
        """Time of the frame that was read last: that of the film where it increases [s]."""
        stamp = (self._capture.get(cv2.CAP_PROP_POS_MSEC) - self._start) / 1000
        return stamp if stamp > time else time + 1 / self.rate

    def _ends_early(self, time: float) -> bool:
        return time + 1 / self.rate < _WHOLE * self._duration


def _open(source: Path | Stream, *settings: list[int]) -> cv2.VideoCapture:
    if isinstance(source, Stream) and source.is_camera:
        return cv2.VideoCapture(int(source.address))
    # Other backends of OpenCV take a name with digits for a pattern of image files.
    name = source.address if isinstance(source, Stream) else str(source)
    return cv2.VideoCapture(name, cv2.CAP_FFMPEG, *settings)


def _check_film_file(path: Path) -> None:
    """Raises ImageError for what is no file of a film. A text can be a list of other files, which
    FFmpeg would open.
    """
    check_regular_file(path, "film", "give a film", ImageError)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise ImageError(f"film {path} cannot be read: {error.strerror}") from error
    if not head:
        raise ImageError(f"film {path} is empty; copy it again")
    if b"\0" not in head:
        raise ImageError(f"film {path} is no film but text; give a film")


def _why_closed(source: Path | Stream) -> str:
    """The line about a source that cannot be opened."""
    if isinstance(source, Stream) and source.is_camera:
        return f"camera {source} cannot be opened; check that it is connected and not in use"
    if isinstance(source, Stream):
        return f"stream {source} cannot be opened; check the address and the network"
    with _silent_opencv():
        packets = _open(source, [cv2.CAP_PROP_FORMAT, -1])  # without a decoder
    if not packets.isOpened():
        return f"film {source} is cut off, or no film; copy it again"
    code = int(packets.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    name = code.to_bytes(4, "little").decode("latin-1").strip("\0 ")
    return (
        f"film {source} has the codec {name!r}, which OpenCV lacks; convert it to H.264: "
        f"ffmpeg -i {source.name} -c:v libx264 OUT.mp4"
    )


@contextmanager
def _silent_opencv() -> Iterator[None]:
    """Without OpenCV's own lines about what it cannot open."""
    level = cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)
