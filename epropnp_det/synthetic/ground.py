"""The texture of the ground: a picture from above, painted once per scene, and smaller copies of it
for distant ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from .road import LANE, Road
from .textures import noise_tile, sample

CELL = 0.05  # metres per pixel of the finest picture
LEVELS = 6
REACH = 75.0  # metres of ground painted around the vehicle's way
TILE = 1024  # cells of the noise on the whole ground
_SHIFT = 4  # OpenCV draws at 1/16 pixel

GRASS = (92, 110, 62)
PAVING = (150, 146, 138)
KERB = (176, 174, 168)
ASPHALT = (78, 79, 82)
BAY = (92, 91, 92)
LOT = (112, 108, 104)
LINE = (222, 222, 216)
YELLOW = (214, 172, 52)


@dataclass(frozen=True)
class Ground:
    """Pictures (RGB, rows along y, columns along x) of cells CELL, 2 CELL, 4 CELL ...; `origin`
    (2,) is the corner of the first.
    """

    origin: np.ndarray
    pictures: tuple[np.ndarray, ...]
    grain: np.ndarray

    def colors(self, points: np.ndarray, footprint: np.ndarray) -> np.ndarray:
        """sRGB (N, 3) in [0, 1] at points (N, 2), as float32; `footprint` (N,) metres of ground
        under a pixel.
        """
        level = np.clip(np.log2(footprint / CELL + 1e-9), 0, LEVELS - 1).astype(np.int8)
        colors = np.empty((len(points), 3), np.float32)
        for index in np.unique(level):
            chosen = level == index
            colors[chosen] = self._sampled(points[chosen], int(index))
        near = footprint < CELL
        colors[near] *= self._grain(points[near])[:, None]
        return colors / 255

    def _sampled(self, points: np.ndarray, level: int) -> np.ndarray:
        cells = (points - self.origin) / (CELL * 2**level) - 0.5
        return sample(self.pictures[level], cells, cv2.BORDER_CONSTANT, GRASS)

    def _grain(self, points: np.ndarray) -> np.ndarray:
        """Pebbles of a centimetre, finer than a cell of the pictures."""
        cell = np.floor(points * 90).astype(np.int64) & (len(self.grain) - 1)
        return self.grain[cell[:, 1], cell[:, 0]]


class _Canvas:
    """Draws polygons given in metres."""

    def __init__(self, low: np.ndarray, high: np.ndarray, cell: float, color: tuple[int, ...]):
        self.origin = low
        self.cell = cell
        width, height = np.ceil((high - low) / cell).astype(int)
        self.picture = np.full((height, width, len(color)), color, np.uint8)

    def fill(self, polygon: np.ndarray, color: tuple[int, ...]) -> None:
        pixels = np.round(((polygon - self.origin) / self.cell - 0.5) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(self.picture, [pixels], color, lineType=cv2.LINE_AA, shift=_SHIFT)


def extent(road: Road, length: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (2,) of the ground painted for a drive of `length` metres."""
    way = road.point(np.linspace(0, length, 20), 0.0)
    return np.floor(way.min(axis=0) - REACH), np.ceil(way.max(axis=0) + REACH)


def cross_road(road: Road, lanes: int = 1) -> Road:
    """The straight road across, in road coordinates of its own whose origin is the scene's: s = 0
    lies at the junction.
    """
    return _Shifted(
        road.heading(road.crossing) + np.pi / 2,
        0.0,
        lanes,
        0.0,
        tuple(road.point(road.crossing, 0.0)),
    )


@dataclass(frozen=True)
class _Shifted(Road):
    offset: tuple[float, float] = (0.0, 0.0)

    def point(self, s: ArrayLike, d: ArrayLike) -> np.ndarray:
        return super().point(s, d) + np.array(self.offset)


def paint(road: Road, length: float, lots: list[np.ndarray], rng: np.random.Generator) -> Ground:
    """Paints grass, paving, lots (polygons (n, 2)), the two roads and their markings."""
    low, high = extent(road, length)
    canvas = _Canvas(low, high, CELL, GRASS)
    for lot in lots:
        canvas.fill(lot, LOT)
    s = (-REACH - 40, length + REACH + 40)
    across = cross_road(road)
    _pave(canvas, road, s)
    _pave(canvas, across, (-150.0, 150.0))
    _mark_bays(canvas, road, s)
    canvas.fill(across.outline((-150.0, 150.0), (-across.kerb, across.kerb)), ASPHALT)
    canvas.fill(road.outline(s, (-road.kerb, road.kerb)), ASPHALT)
    _mark_lanes(canvas, road, s, across.kerb)
    _mark_lanes(canvas, across, (-150.0, 150.0), road.kerb)
    for road_, other in ((road, across), (across, road)):
        for sign in (-1, 1):
            _mark_entry(canvas, road_, sign, other.kerb)
    return Ground(
        low, _levels(_weathered(canvas.picture, rng)), 0.9 + 0.2 * noise_tile(rng, TILE, TILE)
    )


def drivable(road: Road, length: float, cell: float) -> np.ndarray:
    """Mask (H, W) of roads and pavements, 255 where they are; rows along y, over `extent`."""
    canvas = _Canvas(*extent(road, length), cell, (0,))
    across = cross_road(road)
    canvas.fill(road.outline((-REACH - 40, length + REACH + 40), (-road.edge, road.edge)), (255,))
    canvas.fill(across.outline((-150.0, 150.0), (-across.edge, across.edge)), (255,))
    return np.where(canvas.picture[..., 0] > 127, 255, 0).astype(np.uint8)


def _pave(canvas: _Canvas, road: Road, s: tuple[float, float]) -> None:
    canvas.fill(road.outline(s, (-road.edge, road.edge)), PAVING)
    for joint in np.arange(s[0], s[1], 1.5):
        canvas.fill(road.outline((joint, joint + 0.05), (-road.edge, road.edge)), (132, 128, 121))
    canvas.fill(road.outline(s, (-road.pavement - 0.2, road.pavement + 0.2)), KERB)
    canvas.fill(road.outline(s, (-road.pavement, road.pavement)), BAY)


def _mark_bays(canvas: _Canvas, road: Road, s: tuple[float, float]) -> None:
    for start in np.arange(s[0], s[1], 6.0):
        for inner, outer in ((road.kerb, road.pavement), (-road.pavement, -road.kerb)):
            canvas.fill(road.outline((start, start + 0.12), (inner, outer)), LINE)


def _mark_lanes(canvas: _Canvas, road: Road, s: tuple[float, float], junction: float) -> None:
    """Double yellow in the middle, dashes between lanes, a line at the kerb; nothing on the
    junction.
    """
    gap = junction + 5.0
    for start, end in ((s[0], road.crossing - gap), (road.crossing + gap, s[1])):
        for d in (-0.2, 0.08):
            canvas.fill(road.outline((start, end), (d, d + 0.12)), YELLOW)
        for d in (-road.kerb, road.kerb - 0.12):
            canvas.fill(road.outline((start, end), (d, d + 0.12)), LINE)
        for lane in range(1, road.lanes):
            for dash in np.arange(start, end - 3, 7.0):
                for d in (-lane * LANE - 0.07, lane * LANE - 0.07):
                    canvas.fill(road.outline((dash, dash + 3.0), (d, d + 0.14)), LINE)


def _mark_entry(canvas: _Canvas, road: Road, sign: int, junction: float) -> None:
    """Zebra crossing, stop line and arrows on one arm of a junction."""
    near = road.crossing + sign * (junction + 0.8)
    for d in np.arange(-road.kerb + 0.4, road.kerb - 0.5, 0.9):
        canvas.fill(road.outline((near, near + sign * 2.8), (d, d + 0.5)), LINE)
    stop = near + sign * 3.6
    inner, outer = (-road.kerb, -0.2) if sign < 0 else (0.2, road.kerb)
    canvas.fill(road.outline((stop, stop + sign * 0.35), (inner, outer)), LINE)
    for lane in range(road.lanes):
        d = sign * (lane + 0.5) * LANE
        tail, neck, tip = (stop + sign * metres for metres in (8.0, 5.0, 3.2))
        canvas.fill(road.outline((tail, neck), (d - 0.08, d + 0.08)), LINE)
        canvas.fill(
            np.array([road.point(neck, d - 0.35), road.point(neck, d + 0.35), road.point(tip, d)]),
            LINE,
        )


def _weathered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven brightness: patches of metres and grain of a cell, from a tile laid side by side."""
    tile = np.ones((TILE, TILE), np.float32)
    for cells, amplitude in ((TILE, 0.09), (64, 0.10), (8, 0.12)):
        tile *= 1 + amplitude * (2 * noise_tile(rng, TILE, cells) - 1)
    rows, columns = (-(-length // TILE) for length in picture.shape[:2])
    scale = np.tile(tile, (rows, columns))[: picture.shape[0], : picture.shape[1]]
    return np.stack(
        [cv2.multiply(channel, scale, dtype=cv2.CV_8U) for channel in cv2.split(picture)], axis=-1
    )


def _levels(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    pictures = [picture]
    while len(pictures) < LEVELS:
        height, width = pictures[-1].shape[:2]
        pictures.append(
            cv2.resize(pictures[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        )
    return tuple(pictures)
