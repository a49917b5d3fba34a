"""Renders the image of a camera: one ray through the middle of every pixel, four at edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .ground import Ground
from .motion import moved
from .raycast import GROUND, SKY, Hits
from .rig import IMAGE_SIZE
from .stage import GAMMA, Stage
from .weather import Weather

# Rows cast at a time: their rays fit into the processor's cache.
ROWS = 60
# Further rays through a pixel with an edge, in pixels from its middle.
EDGE_OFFSETS = ((-0.25, 0.25), (0.25, 0.25), (0.25, -0.25))
EDGE_CONTRAST = 0.06
NOISE = 1.2 / 255
# Shadow rays start this far above the surface [m].
SHADOW_LIFT = 0.01

_TONES = (np.linspace(0, 1, 4096) ** (1 / GAMMA)).astype(np.float32)


@dataclass(frozen=True)
class View:
    """A camera in the scene: its matrix (4, 4) to the scene frame and its intrinsics (3, 3)."""

    matrix: np.ndarray
    intrinsic: np.ndarray

    @property
    def origin(self) -> np.ndarray:
        return self.matrix[:3, 3]

    def directions(self, pixels: np.ndarray) -> np.ndarray:
        """Unit vectors (N, 3), float32, through image points (N, 2)."""
        to_scene = (self.matrix[:3, :3] @ np.linalg.inv(self.intrinsic)).astype(np.float32)
        directions = pixels.astype(np.float32) @ to_scene[:, :2].T + to_scene[:, 2]
        return directions / np.sqrt(np.einsum("nd,nd->n", directions, directions))[:, None]

    def project(self, points: np.ndarray) -> np.ndarray:
        """Image points and depth (N, 3): u, v, z, of points (N, 3) in the scene frame."""
        image = moved(np.linalg.inv(self.matrix), points) @ self.intrinsic.T
        return np.concatenate([image[:, :2] / image[:, 2:], image[:, 2:]], axis=1)


@dataclass(frozen=True)
class Photo:
    """`image` (H, W, 3) uint8 RGB; `owner` (H, W): the index of the track at each pixel's middle,
    or SCENERY.
    """

    image: np.ndarray
    owner: np.ndarray


def take(
    view: View, stage: Stage, ground: Ground, weather: Weather, rng: np.random.Generator
) -> Photo:
    width, height = IMAGE_SIZE
    image = np.empty((height, width, 3), np.float32)
    triangle = np.empty((height, width), np.int32)
    for top in range(0, height, ROWS):
        rows = np.s_[top : min(top + ROWS, height)]
        hits = stage.caster.first_hits(view.origin, view.directions(_middles(rows, width)))
        image[rows] = _tones(_shaded(hits, stage, ground, weather, view.intrinsic[0, 0])).reshape(
            -1, width, 3
        )
        triangle[rows] = hits.triangle.reshape(-1, width)
    image = _smoothed(image, triangle, view, stage, ground, weather)
    image += NOISE * rng.standard_normal((height, width, 1), dtype=np.float32)
    return Photo((np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8), stage.owners(triangle))


def owners_seen(view: View, stage: Stage) -> np.ndarray:
    """`Photo.owner` without the picture."""
    width, height = IMAGE_SIZE
    triangles = [
        stage.caster.first_hits(
            view.origin, view.directions(_middles(slice(top, min(top + ROWS, height)), width))
        ).triangle
        for top in range(0, height, ROWS)
    ]
    return stage.owners(np.concatenate(triangles)).reshape(height, width)


def _middles(rows: slice, width: int) -> np.ndarray:
    """Middles (rows x width, 2) of pixels as image points: that of the first pixel is (0.5,
    0.5).
    """
    v, u = np.mgrid[rows, 0:width]
    return np.stack([u.ravel() + 0.5, v.ravel() + 0.5], axis=-1)


def _shaded(hits: Hits, stage: Stage, ground: Ground, weather: Weather, focal: float) -> np.ndarray:
    """Linear colours (N, 3) of the hits of rays."""
    colors = np.empty((len(hits.triangle), 3), np.float32)
    sky = hits.triangle == SKY
    colors[sky] = weather.sky(hits.directions[sky])
    on_ground = hits.triangle == GROUND
    on_mesh = hits.triangle >= 0
    for chosen, shade in ((on_ground, _shaded_ground), (on_mesh, _shaded_mesh)):
        part = Hits(
            hits.origin,
            hits.directions[chosen],
            hits.triangle[chosen],
            hits.distance[chosen].astype(np.float32),
        )
        colors[chosen] = weather.through_air(
            shade(part, stage, ground, weather, focal), part.distance
        )
    return colors


def _shaded_ground(
    hits: Hits, stage: Stage, ground: Ground, weather: Weather, focal: float
) -> np.ndarray:
    points = hits.points
    # A pixel covers distance / focal across the ray, and more along it where the ray grazes the
    # ground; between the two.
    footprint = hits.distance / focal / np.sqrt(-hits.directions[:, 2])
    albedo = ground.colors(points[:, :2], footprint) ** GAMMA
    normals = np.broadcast_to(np.array([0, 0, 1], np.float32), points.shape)
    return albedo * weather.lit(normals, _in_sun(points, normals, stage, weather))


def _shaded_mesh(
    hits: Hits, stage: Stage, ground: Ground, weather: Weather, focal: float
) -> np.ndarray:
    normals = stage.caster.normals.astype(np.float32)[hits.triangle]
    away = np.einsum("nd,nd->n", normals, hits.directions) > 0
    normals[away] *= -1
    light = weather.lit(normals, _in_sun(hits.points, normals, stage, weather))
    return stage.colors[hits.triangle] * np.maximum(light, stage.glow[hits.triangle][:, None])


def _in_sun(points: np.ndarray, normals: np.ndarray, stage: Stage, weather: Weather) -> np.ndarray:
    """Whether surfaces face the sun and are not in a shadow, (N,)."""
    facing = normals @ weather.sun > 0
    lit = np.zeros(len(points), bool)
    lit[facing] = ~stage.caster.occluded(
        points[facing] + SHADOW_LIFT * normals[facing], weather.sun
    )
    return lit


def _tones(colors: np.ndarray) -> np.ndarray:
    """Linear to sRGB, by table."""
    return _TONES[(np.clip(colors, 0, 1) * (len(_TONES) - 1)).astype(np.int16)]


def _smoothed(
    image: np.ndarray,
    triangle: np.ndarray,
    view: View,
    stage: Stage,
    ground: Ground,
    weather: Weather,
) -> np.ndarray:
    """Edges averaged over four rays."""
    rows, columns = np.nonzero(_edges(image, triangle))
    middles = np.stack([columns + 0.5, rows + 0.5], axis=-1)
    total = image[rows, columns]
    for offset in EDGE_OFFSETS:
        hits = stage.caster.first_hits(view.origin, view.directions(middles + offset))
        total = total + _tones(_shaded(hits, stage, ground, weather, view.intrinsic[0, 0]))
    image[rows, columns] = total / (1 + len(EDGE_OFFSETS))
    return image


def _edges(image: np.ndarray, triangle: np.ndarray) -> np.ndarray:
    """Pixels (H, W) that differ from a neighbour in what they show and in brightness."""
    brightness = image[..., 1]
    edges = np.zeros(triangle.shape, bool)
    for axis in (0, 1):
        differs = (np.diff(triangle, axis=axis) != 0) & (
            np.abs(np.diff(brightness, axis=axis)) > EDGE_CONTRAST
        )
        first = [np.s_[:-1], np.s_[:]]
        second = [np.s_[1:], np.s_[:]]
        order = slice(None) if axis == 0 else slice(None, None, -1)
        edges[tuple(first[order])] |= differs
        edges[tuple(second[order])] |= differs
    return edges
