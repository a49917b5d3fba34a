"""Light and air of a scene. Colours are linear RGB, 1 for a white surface in full light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .textures import noise_tile, sample

_CLOUD_TILE = 256


@dataclass(frozen=True)
class Weather:
    """`sun` (3,) points to the sun; `haze` is the distance in metres at which 63 % of the light is
    the air's own.
    """

    sun: np.ndarray
    sunlight: np.ndarray
    skylight: np.ndarray
    zenith: np.ndarray
    horizon: np.ndarray
    haze: float
    clouds: np.ndarray

    def lit(self, normals: np.ndarray, in_sun: np.ndarray) -> np.ndarray:
        """Light (N, 3) on surfaces with unit normals (N, 3)."""
        direct = np.maximum(normals @ self.sun.astype(np.float32), 0) * in_sun
        sky = 0.7 + 0.3 * normals[:, 2]
        return direct[:, None] * self.sunlight.astype(np.float32) + sky[
            :, None
        ] * self.skylight.astype(np.float32)

    def sky(self, directions: np.ndarray) -> np.ndarray:
        """Colours (N, 3) of the sky in unit directions (N, 3): paler towards the horizon, with
        clouds and a glow around the sun.
        """
        up = np.maximum(directions[:, 2], 0)
        blue = np.sqrt(up)[:, None]
        color = (1 - blue) * self.horizon.astype(np.float32) + blue * self.zenith.astype(np.float32)
        cloud = (self._cloudiness(directions) * np.clip(5 * up, 0, 1))[:, None]
        color = (1 - cloud) * color + cloud * (self.horizon.max() * 1.1)
        glow = np.maximum(directions @ self.sun.astype(np.float32), 0) ** 60
        return color + 0.5 * glow[:, None] * self.sunlight.astype(np.float32)

    def _cloudiness(self, directions: np.ndarray) -> np.ndarray:
        overhead = directions[:, :2] / (np.maximum(directions[:, 2:], 0) + 0.12)
        return sample(self.clouds, np.mod(40 * overhead, len(self.clouds)))

    def through_air(self, colors: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Colours (N, 3) seen through the air from `distance` (N,)."""
        air = (1 - np.exp(-distance / self.haze)).astype(np.float32)[:, None]
        return colors + air * (self.horizon.astype(np.float32) - colors)


def draw(rng: np.random.Generator) -> Weather:
    """Draws the weather, from a clear to a dull day."""
    azimuth = rng.uniform(0, 2 * math.pi)
    elevation = math.radians(rng.uniform(28, 62))
    sun = np.array(
        [
            math.cos(azimuth) * math.cos(elevation),
            math.sin(azimuth) * math.cos(elevation),
            math.sin(elevation),
        ]
    )
    clear = rng.uniform(0.25, 1.0)
    exposure = rng.uniform(0.9, 1.15)
    warmth = rng.uniform(0.0, 0.14)
    return Weather(
        sun=sun,
        sunlight=exposure * clear * np.array([1.0, 1.0 - warmth / 2, 1.0 - warmth]),
        skylight=exposure * (0.62 - 0.28 * clear) * np.array([0.95, 1.0, 1.06]),
        zenith=(1 - clear) * np.array([0.55, 0.58, 0.62]) + clear * np.array([0.14, 0.30, 0.62]),
        horizon=(1 - clear) * np.array([0.68, 0.69, 0.70]) + clear * np.array([0.62, 0.70, 0.80]),
        haze=rng.uniform(250, 900),
        clouds=_clouds(rng, 1 - clear),
    )


def _clouds(rng: np.random.Generator, cover: float) -> np.ndarray:
    """A periodic tile of cloudiness in [0, 1]."""
    octaves = [noise_tile(rng, _CLOUD_TILE, octave) * (4 / octave) for octave in (8, 16, 32, 64)]
    field = np.sum(octaves, axis=0)
    field = (field - field.min()) / (field.max() - field.min())
    return np.clip((field - 0.55 + 0.5 * cover) * 3, 0, 0.9).astype(np.float32)
