"""Training patches of stored surfaces: geometry is rendered once, light and background are drawn
for each patch. For comparisons of losses, which need many steps on few objects.
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmdet.datasets.builder import DATASETS
from torch import Tensor
from tqdm import tqdm

from epropnp_det.engine.json_files import differing_keys, write_json
from epropnp_det.engine.output_files import make_folder
from epropnp_det.errors import UserError

from .clutter import checked_share, draw_clutter
from .crops import CropWindow
from .photographs import Photographs
from .ray_scenes import camera_rays
from .relighting import draw_background, relit
from .rendered_crops import TEXTURES, CropLabels, RenderedCrops, inside, sensor_of_patch
from .rendering import SurfaceMaps, color_levels, develop, linear_colors
from .scene_layout import camera_rotation, draw_lighting, draw_material, draw_sensor

SETTINGS_FILE = "settings.json"
SCENES_FILE = "scenes.npy"
_NORMAL_LEVELS = 127
# [degrees] of the camera above the ground that the lamps belong to.
_ELEVATION = (10.0, 80.0)


@DATASETS.register_module()
class StoredCrops(RenderedCrops):
    """Patches of a number of stored scenes, each time under other lamps and on another background.

    The scenes are rendered and stored when the data set is made for the first time. A patch depends
    on the seed and its index alone.

    Args:
        cache: folder of the stored scenes, about 120 kB each.
        stored: number of scenes.
        clutter: share of the textures behind the objects that get random shapes, see
            `draw_clutter`.
        white_balance: largest change of a colour channel, as a natural logarithm.
        photographs: a folder or a pattern of images, see `Photographs`; None for textures alone.
        photograph_share: share of the patches with a photograph in place of a texture.
        settings: arguments of `RenderedCrops`.

    Raises:
        UserError: the folder has scenes of other settings, a share or `white_balance` is out of
            range, there are no photographs, or what `RenderedCrops` raises.
    """

    def __init__(
        self,
        cache: str,
        stored: int = 6000,
        clutter: float = 0.0,
        white_balance: float = 0.0,
        photographs: str | None = None,
        photograph_share: float = 0.5,
        **settings: Any,
    ):
        checked_share(clutter, "data.train: clutter")
        checked_share(photograph_share, "data.train: photograph_share")
        if not white_balance >= 0:
            raise UserError(f"data.train: white_balance is {white_balance}; it must be at least 0")
        super().__init__(**settings)
        self.clutter = clutter
        self.white_balance = white_balance
        self.photographs = None if photographs is None else Photographs(photographs)
        self.photograph_share = photograph_share
        kind = _record_type(self.patch.size, self.cells)
        folder = Path(cache)
        make_folder(folder)
        described = json.loads(json.dumps(dict(settings, stored=stored)))
        with open(folder / ".lock", "w", encoding="utf-8") as lock:
            # Of several processes of a training one renders, and the others wait.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _is_complete(folder, described):
                self._store(folder / SCENES_FILE, kind, stored)
                write_json(folder / SETTINGS_FILE, described, indent=2)
        self.scenes = np.lib.format.open_memmap(folder / SCENES_FILE, mode="r")

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Arguments of `ObjectPoseEstimator.forward_train`, without the batch dim."""
        record = self.scenes[index % len(self.scenes)]
        rng = np.random.default_rng([self.seed, 1, index])
        window = CropWindow(record["origin"], float(record["side"]))
        labels = CropLabels(
            int(record["column"]), window, record["pose"], record["noc"], record["shown"]
        )
        return self.arguments(self._photograph(record, window, rng), labels)

    def _photograph(
        self, record: np.void, window: CropWindow, rng: np.random.Generator
    ) -> np.ndarray:
        """The patch (size, size, 3) uint8 RGB under new lamps."""
        size = self.patch.size
        pixels = window.cell_centers(size)
        rays = camera_rays(self.camera.matrix, pixels.reshape(-1, 2)).reshape(size, size, 3)
        view = -rays / np.linalg.norm(rays, axis=-1, keepdims=True)
        surfaces = SurfaceMaps(
            linear_colors(record["base"]),
            record["normals"].astype(np.float32) / _NORMAL_LEVELS,
            record["part"],
        )
        materials = [draw_material(rng) for _ in range(int(record["part"].max()))]
        elevation = math.radians(rng.uniform(*_ELEVATION))
        lighting = draw_lighting(camera_rotation(elevation, 0.0, 0.0), rng)
        radiance = relit(surfaces, view, materials, lighting, self.behind(rng))
        if self.white_balance:
            radiance *= np.exp(rng.uniform(-self.white_balance, self.white_balance, 3))
        sensor = sensor_of_patch(draw_sensor(rng), max(window.side / size, 1.0))
        return develop(radiance, sensor, rng) * inside(pixels, self.camera)[..., None]

    def behind(self, rng: np.random.Generator) -> np.ndarray:
        """Linear RGB (size, size, 3) around the objects."""
        size = self.patch.size
        if self.photographs and rng.uniform() < self.photograph_share:
            return linear_colors(self.photographs.window((size, size), rng))
        tile = self.texture(int(rng.integers(TEXTURES)))
        behind = draw_background(tile, size, rng) * rng.uniform(0.3, 1.2)
        has_clutter = self.clutter and rng.uniform() < self.clutter
        return draw_clutter(behind, rng) if has_clutter else behind

    def _store(self, path: Path, kind: np.dtype, stored: int) -> None:
        """Renders the scenes of the indices 0 to stored - 1 into a file."""
        scenes = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=(stored,))
        for index in tqdm(range(stored), desc="stored scenes", unit="scene", disable=None):
            scene, labels = self.draw(np.random.default_rng([self.seed, index]))
            pixels = labels.window.cell_centers(self.patch.size)
            surfaces = self.renderer.surfaces(scene, pixels)
            record = scenes[index]
            record["base"] = color_levels(surfaces.base)
            record["normals"] = np.round(surfaces.normals * _NORMAL_LEVELS)
            record["part"] = surfaces.part
            record["column"] = labels.column
            record["origin"] = labels.window.origin
            record["side"] = labels.window.side
            record["pose"] = labels.pose
            record["noc"] = labels.noc
            record["shown"] = labels.shown
        scenes.flush()


def _record_type(size: int, cells: int) -> np.dtype:
    """One stored scene: the surfaces on the patch's pixels, and the labels on its cells."""
    return np.dtype(
        [
            ("base", "u1", (size, size, 3)),
            ("normals", "i1", (size, size, 3)),
            ("part", "u1", (size, size)),
            ("column", "i4"),
            ("origin", "f8", (2,)),
            ("side", "f8"),
            ("pose", "f8", (7,)),
            ("noc", "f4", (3, cells, cells)),
            ("shown", "?", (cells, cells)),
        ]
    )


def _is_complete(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Whether the folder holds all scenes of the settings.

    Raises:
        UserError: its scenes have other settings.
    """
    file = folder / SETTINGS_FILE
    if not file.is_file():
        return False
    different = differing_keys(json.loads(file.read_text(encoding="utf-8")), settings)
    if different:
        raise UserError(
            f"{folder} holds scenes of other settings ({', '.join(different)}); "
            "remove it or name another cache"
        )
    return True
