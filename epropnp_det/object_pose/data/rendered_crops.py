"""Training patches that are rendered as they are needed: no stored images, no patch twice."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmdet.datasets.builder import DATASETS
from torch import Tensor
from torch.utils.data import Dataset

from epropnp_det.errors import UserError

from ..patches import PatchSettings
from ..rigid_pose import project
from .bop_dataset import BopCamera, read_camera
from .bop_forms import is_number
from .coordinate_maps import ObjectMaps, object_maps, pixel_centers
from .crop_layout import CropLayout, draw_crop_scene
from .crops import CropSettings, CropWindow, crop_image, crop_window
from .object_models import ObjectModel, load_models
from .ray_scenes import RayScenes
from .rendering import Renderer, Scene, Sensor, develop, draw_texture
from .scene_layout import draw_sensor

# Textures of grounds and backgrounds; another set for another seed.
TEXTURES = 48
# Smallest share of the silhouette that a training patch shows.
_LEAST_SHOWN = 0.15
_TRIES = 10
# Variance of a uniform distribution over one pixel.
_PIXEL_VARIANCE = 1 / 12


@dataclass(frozen=True)
class CropLabels:
    """Ground truth of a patch.

    Args:
        column: place of the object in the model's list.
        window: where the patch lies in the image.
        pose: (7,) x, y, z [m], qw, qx, qy, qz: object to camera frame.
        noc: (3, cells, cells) normalised coordinates, zeros where the object is not seen.
        shown: (cells, cells) bool, cells that show the object, or the whole silhouette.
    """

    column: int
    window: CropWindow
    pose: np.ndarray
    noc: np.ndarray
    shown: np.ndarray


@DATASETS.register_module()
class RenderedCrops(Dataset):
    """Patches of the models of a BOP data set, each in a random scene of its own.

    A patch depends on the seed and its index alone.

    Args:
        root: folder with `models` and `camera.json`.
        patch: fields of `PatchSettings`.
        objects: BOP's numbers of the objects, in the order of the model; None for all.
        layout: fields of `CropLayout` to change.
        jitter: largest relative change of the patch's side, and of its centre in sides of the box.
        cells: columns and rows of the maps.
        amodal: coordinates and mask of the whole silhouette, also where something stands before it
            or the image ends; without it, of what the patch shows.
        vertices: number of the models' vertices that come with a patch; 0 for none.
        length: number of patches.
        test_mode: not supported.

    Raises:
        UserError: missing or broken models, an object without a model, patches of the released
            way, or a test.
    """

    def __init__(
        self,
        root: str,
        patch: Mapping[str, Any],
        objects: Sequence[int] | None = None,
        layout: Mapping[str, Any] | None = None,
        jitter: float = 0.25,
        cells: int = 32,
        amodal: bool = False,
        vertices: int = 0,
        length: int = 1_000_000,
        seed: int = 0,
        test_mode: bool = False,
    ):
        if test_mode:
            raise UserError(
                "RenderedCrops is for training; name BopTargets in data.val and data.test"
            )
        self.models = load_models(Path(root) / "models")
        self.objects = known_objects(self.models, objects)
        self.camera = read_camera(root)
        self.patch = PatchSettings(**patch)
        if self.patch.released:
            raise UserError(
                "RenderedCrops renders patches whose cells have their points in the middle; set "
                "patch.released=False and model.points.cell_offset=0.5"
            )
        self.layout = CropLayout(**(layout or {}))
        self.crop = CropSettings(jitter=jitter)
        self.cells = cells
        self.amodal = amodal
        self.length = length
        self.seed = seed
        self.CLASSES = class_names(self.objects)
        self.symmetries = symmetry_table([self.models[key] for key in self.objects])
        self.vertices = vertex_table([self.models[key] for key in self.objects], vertices)
        self._textures: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self.length

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(RayScenes(self.models))

    def texture(self, key: int) -> np.ndarray:
        """The texture `key` of the seed, see `draw_texture`; each is drawn once."""
        if key not in self._textures:
            self._textures[key] = draw_texture(np.random.default_rng([self.seed, key]))
        return self._textures[key]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Arguments of `ObjectPoseEstimator.forward_train`, without the batch dim."""
        rng = np.random.default_rng([self.seed, index])
        scene, labels = self.draw(rng)
        sensor = draw_sensor(rng)
        size = self.patch.size
        picture = photograph(self.renderer, scene, labels.window, size, self.camera, sensor, rng)
        return self.arguments(picture, labels)

    def draw(self, rng: np.random.Generator) -> tuple[Scene, CropLabels]:
        """A scene of which enough of the first object is visible, and its labels."""
        column = int(rng.integers(len(self.objects)))
        for attempt in range(_TRIES):
            scene, window = self._draw(self.objects[column], attempt == _TRIES - 1, rng)
            maps, shown = self._labels(scene, window)
            if shown.sum() >= _LEAST_SHOWN * maps.mask.sum():
                break
        half_extent = self.models[self.objects[column]].half_extents
        shown = maps.mask if self.amodal else shown
        noc = maps.coordinates / half_extent * shown[..., None]
        pose = scene.objects[0].pose.to_vector()
        return scene, CropLabels(column, window, pose, noc.transpose(2, 0, 1), shown)

    def arguments(self, picture: np.ndarray, labels: CropLabels) -> dict[str, Tensor]:
        """Arguments of a training for a patch (size, size, 3) uint8 RGB."""
        column = labels.column
        more = dict(vertices=self.vertices[column]) if self.vertices.shape[1] else {}
        return dict(
            img=self.patch.normalize(picture[..., ::-1]),
            origin=_float32(labels.window.origin),
            side=_float32(labels.window.side),
            matrix=_float32(self.camera.matrix),
            half_extent=_float32(self.models[self.objects[column]].half_extents),
            object_index=torch.tensor(column),
            gt_pose=_float32(labels.pose),
            gt_noc=_float32(labels.noc),
            gt_mask=_float32(labels.shown[None]),
            symmetries=self.symmetries[column],
            **more,
        )

    def _draw(
        self, object_id: int, alone: bool, rng: np.random.Generator
    ) -> tuple[Scene, CropWindow]:
        """A scene, and the jittered patch of its first object; `alone` without the others."""
        layout = replace(self.layout, others=(0, 0)) if alone else self.layout
        ground, background = (self.texture(int(key)) for key in rng.integers(TEXTURES, size=2))
        scene = draw_crop_scene(
            self.models, object_id, self.camera, layout, (ground, background), rng
        )
        vertices = scene.objects[0].pose.apply(self.models[object_id].vertices)
        seen = project(vertices, self.camera.matrix)
        low = seen.min(axis=0)
        box = np.concatenate([low, seen.max(axis=0) - low])
        return scene, crop_window(box, self.crop, rng.random(3))

    def _labels(self, scene: Scene, window: CropWindow) -> tuple[ObjectMaps, np.ndarray]:
        """Labels of the first object at the cells' centres, and the cells (cells, cells) bool that
        show it.
        """
        pixels = window.cell_centers(self.cells)
        maps = object_maps(self.renderer.scenes, scene.objects, self.camera.matrix, pixels)[0]
        return maps, maps.visible & inside(pixels, self.camera)


def known_objects(
    models: Mapping[int, ObjectModel], objects: Sequence[int] | None
) -> tuple[int, ...]:
    """The objects that are wanted, all in the order of their numbers for None.

    Raises:
        UserError: one has no model.
    """
    missing = sorted(set(objects or ()) - set(models))
    if missing:
        raise UserError(
            f"objects {missing} have no model; the models are {sorted(models)}: correct `objects`"
        )
    return tuple(sorted(models) if objects is None else objects)


def class_names(objects: Sequence[int]) -> tuple[str, ...]:
    """Names of objects, as BOP names their models."""
    return tuple(f"obj_{object_id:06d}" for object_id in objects)


def objects_of_class_names(names: Iterable[object]) -> list[int] | None:
    """BOP's numbers of the objects that `class_names` names; None where a name has another form."""
    numbers = [str(name).removeprefix("obj_") for name in names]
    return [int(number) for number in numbers] if all(map(is_number, numbers)) else None


def symmetry_table(models: Sequence[ObjectModel]) -> Tensor:
    """Symmetries (O, S, 7) of models as motions, identity first; objects with fewer repeat it."""
    members = [model.symmetry_group.to_vector() for model in models]
    most = max(map(len, members))
    padded = [
        np.concatenate([each, np.repeat(each[:1], most - len(each), axis=0)]) for each in members
    ]
    return _float32(np.array(padded))


def vertex_table(models: Sequence[ObjectModel], number: int) -> Tensor:
    """Some vertices (O, number, 3) [m] of each model, the same ones in every run; those of a model
    with fewer repeat.
    """
    rng = np.random.default_rng(0)
    drawn = [
        model.vertices[np.resize(rng.permutation(len(model.vertices)), number)] for model in models
    ]
    return _float32(np.array(drawn).reshape(len(models), number, 3))


def inside(pixels: np.ndarray, camera: BopCamera) -> np.ndarray:
    """Which pixels (...) of (..., 2) the image shows."""
    # A reduction over an axis of two takes longer, and this runs for each training patch.
    width, height = camera.size
    column = pixels[..., 0]
    row = pixels[..., 1]
    return (column >= 0) & (column < width) & (row >= 0) & (row < height)


def photograph(
    renderer: Renderer,
    scene: Scene,
    window: CropWindow,
    size: int,
    camera: BopCamera,
    sensor: Sensor,
    rng: np.random.Generator,
) -> np.ndarray:
    """What a patch (size, size, 3) uint8 RGB shows of the image of a scene, zeros beyond it.

    A patch that enlarges the image is cut from its pixels. In one that shrinks it, a ray passes
    through each pixel of the patch, and blur and noise are those of the mean over it.
    """
    shrinks = window.side / size
    if shrinks < 1:
        low = np.floor(window.origin) - 1
        count = math.ceil(window.side) + 3
        pixels = low + pixel_centers(count, count)
        picture = develop(renderer.radiance(scene, pixels), sensor, rng)
        picture = picture * inside(pixels, camera)[..., None]
        return crop_image(picture, CropWindow(window.origin - low, window.side), size)
    pixels = window.cell_centers(size)
    picture = develop(renderer.radiance(scene, pixels), sensor_of_patch(sensor, shrinks), rng)
    return picture * inside(pixels, camera)[..., None]


def sensor_of_patch(sensor: Sensor, shrinks: float) -> Sensor:
    """The sensor of an image as a patch has it whose pixels are the mean over squares of `shrinks`
    px.
    """
    averaged = (shrinks**2 - 1) * _PIXEL_VARIANCE
    blur = math.sqrt(sensor.blur**2 + averaged) / shrinks
    return replace(sensor, blur=blur, noise=sensor.noise / shrinks)


def _float32(values: Any) -> Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float32))
