"""Pictures of models on a ground, in NumPy: first hits by Embree, one lamp with shadows, two
without, Phong's shading, textures on ground and background, and the faults of a camera.

The same code renders whole images and patches: it takes any grid of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .coordinate_maps import near_object
from .object_models import ObjectModel
from .ray_scenes import PlacedObject, RayHits, RayScenes, camera_rays

GAMMA = 2.2
_LINEAR = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)
# Faces that meet at less than this are one smooth surface.
_SMOOTH_COSINE = math.cos(math.radians(35))
# m; shadow rays start this far off the surface.
_SHADOW_LIFT = 5e-4
_TILE = 512


@dataclass(frozen=True)
class Material:
    """How an object reflects: factors of its colour (3,), strength, exponent of the highlight."""

    tint: np.ndarray
    highlight: float
    shininess: float


@dataclass(frozen=True)
class Lighting:
    """Lamps at infinity, in the camera's frame.

    Args:
        directions: (L, 3) unit vectors to the lamps; the first one throws shadows.
        colors: (L, 3) linear RGB.
        ambient: (3,) linear RGB.
    """

    directions: np.ndarray
    colors: np.ndarray
    ambient: np.ndarray


@dataclass(frozen=True)
class Surroundings:
    """A ground plane, and what lies beyond its horizon.

    Args:
        normal: (3,) upwards, in the camera's frame.
        height: [m] of the camera above the ground.
        ground: (H, W, 3) float32 linear RGB tile.
        background: (H, W, 3) float32 linear RGB tile.
        tile_size: [m] of the ground that its tile covers.
    """

    normal: np.ndarray
    height: float
    ground: np.ndarray
    background: np.ndarray
    tile_size: float


@dataclass(frozen=True)
class Sensor:
    """Faults of a camera: blur [px, standard deviation], noise [of 1], exposure, JPEG quality."""

    blur: float
    noise: float
    exposure: float
    quality: int


@dataclass(frozen=True)
class Scene:
    """Everything that a picture shows, in the camera's frame [m]."""

    objects: Sequence[PlacedObject]
    materials: Sequence[Material]
    lighting: Lighting
    surroundings: Surroundings
    camera_matrix: np.ndarray


@dataclass(frozen=True)
class SurfaceMaps:
    """What rays hit of the objects of a scene, without light.

    Args:
        base: (H, W, 3) linear RGB without the material's tint; zeros around the objects.
        normals: (H, W, 3) unit vectors towards the camera, in its frame; zeros around the objects.
        part: (H, W) uint8, 1 for the first object; 0 around the objects.
    """

    base: np.ndarray
    normals: np.ndarray
    part: np.ndarray


class Renderer:
    """Renders scenes of a set of models; normals and Embree scenes are kept."""

    def __init__(self, scenes: RayScenes):
        self.scenes = scenes
        self._normals: dict[int, np.ndarray] = {}

    def radiance(self, scene: Scene, pixels: np.ndarray) -> np.ndarray:
        """Linear RGB (H, W, 3) float32 through pixels (H, W, 2), without the camera's faults."""
        flat = pixels.reshape(-1, 2)
        rays = camera_rays(scene.camera_matrix, flat)
        colors, depth = self._surroundings(scene, rays)
        for placed, material in zip(scene.objects, scene.materials):
            chosen = np.nonzero(near_object(self.scenes, placed, scene.camera_matrix, flat))[0]
            hits = self.scenes.cast(placed, scene.camera_matrix, flat[chosen])
            nearer = hits.depth < depth[chosen]
            chosen = chosen[nearer]
            colors[chosen] = self._shaded(scene, placed, material, _of(hits, nearer), rays[chosen])
            depth[chosen] = hits.depth[nearer]
        return colors.reshape(*pixels.shape[:2], 3)

    def _surroundings(self, scene: Scene, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Colours (M, 3) of ground and background, and depth (M,) [m]."""
        around = scene.surroundings
        falling = rays @ -around.normal
        on_ground = falling > 1e-3
        depth = np.where(on_ground, around.height / np.where(on_ground, falling, 1), np.inf)
        colors = np.empty((len(rays), 3), np.float32)
        colors[~on_ground] = _tiled(around.background, rays[~on_ground, :2] * 0.4)
        points = depth[on_ground, None] * rays[on_ground]
        right = np.cross(around.normal, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        across = np.stack([points @ right, points @ np.cross(right, around.normal)], axis=-1)
        albedo = _tiled(around.ground, across / around.tile_size)
        normals = np.broadcast_to(around.normal, points.shape)
        light = self._diffuse(scene, points, normals)
        colors[on_ground] = albedo * light
        return colors, depth

    def _shaded(
        self,
        scene: Scene,
        placed: PlacedObject,
        material: Material,
        hits: RayHits,
        rays: np.ndarray,
    ) -> np.ndarray:
        """Linear colours (M, 3) of an object under rays that hit it."""
        base, normals = self._surface(placed, hits, rays)
        points = hits.depth[:, None] * rays
        light = self._diffuse(scene, points, normals)
        view = -rays / np.linalg.norm(rays, axis=1, keepdims=True)
        return base * material.tint * light + highlights(scene.lighting, material, normals, view)

    def surfaces(self, scene: Scene, pixels: np.ndarray) -> SurfaceMaps:
        """What the rays through pixels (H, W, 2) hit of the objects of a scene, without light."""
        flat = pixels.reshape(-1, 2)
        rays = camera_rays(scene.camera_matrix, flat)
        base = np.zeros((len(flat), 3))
        normals = np.zeros((len(flat), 3))
        part = np.zeros(len(flat), np.uint8)
        depth = np.full(len(flat), np.inf)
        for number, placed in enumerate(scene.objects, start=1):
            chosen = np.nonzero(near_object(self.scenes, placed, scene.camera_matrix, flat))[0]
            hits = self.scenes.cast(placed, scene.camera_matrix, flat[chosen])
            nearer = hits.depth < depth[chosen]
            chosen = chosen[nearer]
            base[chosen], normals[chosen] = self._surface(placed, _of(hits, nearer), rays[chosen])
            part[chosen] = number
            depth[chosen] = hits.depth[nearer]
        shape = pixels.shape[:2]
        return SurfaceMaps(base.reshape(*shape, 3), normals.reshape(*shape, 3), part.reshape(shape))

    def _surface(
        self, placed: PlacedObject, hits: RayHits, rays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Linear colours without tint (M, 3), and normals (M, 3) towards the camera."""
        model = self.scenes.models[placed.object_id]
        weights = np.column_stack([1 - hits.weights.sum(axis=1), hits.weights])
        base = (model.colors.at(hits.face, weights) / 255) ** GAMMA
        corners = self._corner_normals(model)[hits.face]
        normals = np.einsum("mk,mkd->md", weights, corners) @ placed.pose.rotation.T
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        normals *= -np.sign(np.einsum("md,md->m", normals, rays) + 1e-12)[:, None]
        return base, normals

    def _diffuse(self, scene: Scene, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """Light (M, 3) that arrives at points (M, 3); the first lamp may be hidden."""
        lighting = scene.lighting
        facing = np.maximum(normals @ lighting.directions.T, 0)
        lit = np.nonzero(facing[:, 0] > 0)[0]
        lifted = points[lit] + _SHADOW_LIFT * normals[lit]
        hidden = np.zeros(len(lit), bool)
        for placed in scene.objects:
            hidden |= self.scenes.occluded(placed, lifted, lighting.directions[0])
        facing[lit[hidden], 0] = 0
        return lighting.ambient + facing @ lighting.colors

    def _corner_normals(self, model: ObjectModel) -> np.ndarray:
        if model.object_id not in self._normals:
            self._normals[model.object_id] = corner_normals(model)
        return self._normals[model.object_id]


def highlights(
    lighting: Lighting, material: Material, normals: np.ndarray, view: np.ndarray
) -> np.ndarray:
    """Linear RGB (M, 3) of the highlights at points with normals (M, 3), seen from the directions
    `view` (M, 3), unit vectors to the camera.
    """
    total = np.zeros_like(normals)
    for direction, color in zip(lighting.directions, lighting.colors):
        along = normals @ direction
        mirrored = 2 * along[:, None] * normals - direction
        cosine = np.maximum(np.einsum("md,md->m", mirrored, view), 0) * (along > 0)
        total += cosine[:, None] ** material.shininess * color
    return material.highlight * total


def corner_normals(model: ObjectModel) -> np.ndarray:
    """Normals (F, 3, 3) of the faces' corners: the mean over the faces around a vertex that belong
    to the same smooth surface.
    """
    triangles = model.triangles
    flat = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    unit = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-15)
    places = model.vertices[model.faces.ravel()]
    _, group = np.unique(np.round(places, 7), axis=0, return_inverse=True)
    group = group.ravel()
    total = np.repeat(flat, 3, axis=0)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for corners in np.split(order, starts[1:]):
        faces = corners // 3
        smooth = unit[faces] @ unit[faces].T > _SMOOTH_COSINE
        total[corners] = smooth @ flat[faces]
    total /= np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-15)
    return total.reshape(-1, 3, 3)


def linear_colors(levels: np.ndarray) -> np.ndarray:
    """Linear RGB (..., 3) float32 of levels (..., 3) uint8."""
    return _LINEAR[levels]


def color_levels(linear: np.ndarray) -> np.ndarray:
    """Levels (..., 3) uint8 of linear RGB (..., 3) in [0, 1]: the inverse of `linear_colors`."""
    return np.round(linear ** (1 / GAMMA) * 255).astype(np.uint8)


def develop(radiance: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB that a camera makes of linear RGB."""
    exposed = np.clip(radiance * sensor.exposure, 0, 1).astype(np.float32)
    sharp = cv2.GaussianBlur(exposed, (0, 0), sensor.blur) if sensor.blur > 0 else exposed
    picture = np.asarray(sharp, np.float32) ** np.float32(1 / GAMMA)
    picture += sensor.noise * rng.standard_normal(picture.shape, dtype=np.float32)
    levels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    encoded = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]


def draw_texture(rng: np.random.Generator) -> np.ndarray:
    """A tile (H, W, 3) float32 of linear RGB: noise of several octaves between random colours."""
    palette = rng.uniform(0.05, 0.8, (3, 3)) * rng.uniform(0.4, 1)
    grey = palette.mean(axis=-1, keepdims=True)
    palette = grey + rng.uniform(0.1, 0.9) * (palette - grey)
    palette = palette.astype(np.float32)
    blends = [_fractal(rng, first) for first in rng.integers(2, 9, 2)]
    tile: np.ndarray = palette[0] + blends[0][..., None] * (palette[1] - palette[0])
    tile += (blends[1] > rng.uniform(0.35, 0.75))[..., None] * 0.5 * (palette[2] - tile)
    grain = 1 + rng.uniform(0.02, 0.2) * (_fractal(rng, 64)[..., None] - 0.5)
    return (np.clip(tile * grain, 0, 1)).astype(np.float32)


def _fractal(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Noise (H, W) in [0, 1] of three octaves that wraps around."""
    total = np.zeros((_TILE, _TILE), np.float32)
    for octave in range(3):
        count = int(cells) * 2**octave
        coarse = np.pad(rng.random((count, count), dtype=np.float32), 2, mode="wrap")
        scale = _TILE / count
        fine = cv2.resize(coarse, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        border = round(2 * scale)
        total += 0.5**octave * fine[border : border + _TILE, border : border + _TILE]
    low = total.min()
    high = total.max()
    return (total - low) / max(high - low, 1e-9)


def _tiled(tile: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Bilinear colours (M, 3) of an endless tiling at (M, 2), in tiles."""
    height, width = tile.shape[:2]
    place = np.mod(cells, 1) * (width, height)
    low = np.floor(place).astype(int)
    part = (place - low).astype(np.float32)
    column = low[:, 0] % width
    row = low[:, 1] % height
    right = (column + 1) % width
    below = (row + 1) % height
    upper = tile[row, column] + part[:, :1] * (tile[row, right] - tile[row, column])
    lower = tile[below, column] + part[:, :1] * (tile[below, right] - tile[below, column])
    return upper + part[:, 1:] * (lower - upper)


def _of(hits: RayHits, chosen: np.ndarray) -> RayHits:
    return RayHits(
        hits.face[chosen], hits.weights[chosen], hits.coordinates[chosen], hits.depth[chosen]
    )
