"""Films of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from epropnp_det.errors import UserError

_COLORS = 96  # of a GIF


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
    size = frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 1 / seconds, size)
    if not writer.isOpened():
        raise UserError(f"{path} cannot be written as a film; choose another name")
    for frame in frames:
        writer.write(frame)
    writer.release()


def _write_gif(path: Path, frames: Sequence[np.ndarray], seconds: float) -> None:
    first, *others = [
        Image.fromarray(frame[..., ::-1].copy()).quantize(_COLORS, dither=Image.Dither.NONE)
        for frame in frames
    ]
    duration = round(1000 * seconds)
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0)
