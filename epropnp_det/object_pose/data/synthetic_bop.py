"""Writes rendered scenes as a BOP data set: images, masks, ground truth, boxes and targets.

An image depends on the seed, its split, scene and number alone. Each is written with a record of
its own, so a run that was interrupted continues where it stopped; the records become the scene's
JSON files once all its images are there.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from epropnp_det.engine.json_files import differing_keys, write_json
from epropnp_det.engine.output_files import write_pixels
from epropnp_det.engine.worker_processes import available_processes, spawned_results
from epropnp_det.errors import UserError

from .bop_dataset import CAMERA_FILE, HALF_PIXEL, LEAST_VISIBLE, TARGETS_FILE, VISIBLE_MASKS
from .coordinate_maps import ObjectMaps, object_maps, pixel_centers, whole_silhouette
from .object_models import INFO_FILE, METRES, load_models
from .procedural_models import write_procedural_models
from .ray_scenes import PlacedObject, RayScenes
from .rendering import Renderer, develop
from .scene_layout import LayoutSettings, draw_scene, draw_sensor

# LineMOD's camera, with pixel centres at integers as BOP's files have them.
FILE_MATRIX = ((572.4114, 0.0, 325.2611), (0.0, 573.57043, 242.04899), (0.0, 0.0, 1.0))
IMAGE_SIZE = (640, 480)
MARKER = "synthetic_bop.json"
TRAINING = "train_pbr"
TEST = "test"
_RECORDS = ".records"
_QUALITY = 95


@dataclass(frozen=True)
class DatasetSettings:
    """What is written: the same settings write the same files.

    Args:
        images: images of each scene.
        models: folder of BOP models to copy; the procedural ones for None.
        full_rotation: objects in any orientation, instead of upright on the ground.
        distance: smallest and largest depth of an object, in its diameters.
    """

    seed: int = 0
    images: int = 50
    training_scenes: int = 2
    test_scenes: int = 4
    models: str | None = None
    full_rotation: bool = False
    distance: tuple[float, float] = (2.5, 5.0)


@dataclass(frozen=True)
class ImageJob:
    """One image to render."""

    root: Path
    split: str
    scene: int
    image: int
    settings: DatasetSettings


def create(out: str | Path, settings: DatasetSettings, processes: int | None = None) -> int:
    """Writes the data set into `out`, or continues there; returns the number of images.

    Args:
        processes: all cores for None; the result is the same.

    Raises:
        UserError: a folder with something else in it, no image, or models that cannot be read.
    """
    root = Path(out)
    if settings.images < 1 or settings.training_scenes + settings.test_scenes < 1:
        raise UserError("there is no image to write; give --images and scenes of at least 1")
    if not 1 < settings.distance[0] < settings.distance[1]:
        raise UserError("--distance takes two numbers above 1, the smaller one first")
    if processes is not None and processes < 1:
        raise UserError(f"--processes is {processes}; it takes at least one")
    _claim(root, settings)
    _write_models(root, settings.models)
    _write_camera(root)
    splits = {TRAINING: settings.training_scenes, TEST: settings.test_scenes}
    scenes = [(split, scene) for split, count in splits.items() for scene in range(count)]
    jobs = [
        ImageJob(root, split, scene, image, settings)
        for split, scene in scenes
        for image in range(settings.images)
    ]
    missing = [job for job in jobs if not _record_file(job).is_file()]
    results = spawned_results(render_image, missing, processes or available_processes())
    for _ in tqdm(results, total=len(missing), unit="image", disable=None):
        pass
    for split, scene in scenes:
        _finish_scene(_scene_folder(root, split, scene), settings.images)
    _write_targets(root, settings)
    return len(jobs)


def render_image(job: ImageJob) -> None:
    """Renders one image and writes it with its masks; its record comes last."""
    renderer = _renderer(job.root)
    rng = np.random.default_rng(
        [job.settings.seed, zlib.crc32(job.split.encode()), job.scene, job.image]
    )
    matrix = np.array(FILE_MATRIX)
    matrix[:2, 2] += HALF_PIXEL
    layout = LayoutSettings(
        IMAGE_SIZE,
        matrix,
        distance=job.settings.distance,
        full_rotation=job.settings.full_rotation,
    )
    scene = draw_scene(renderer.scenes.models, layout, rng)
    pixels = pixel_centers(*IMAGE_SIZE)
    picture = develop(renderer.radiance(scene, pixels), draw_sensor(rng), rng)
    maps = object_maps(renderer.scenes, scene.objects, matrix, pixels)
    shown = [pair for pair in zip(scene.objects, maps) if pair[1].mask.any()]
    folder = _scene_folder(job.root, job.split, job.scene)
    write_pixels(folder / "rgb" / f"{job.image:06d}.jpg", picture[..., ::-1], _QUALITY)
    for index, (_, each) in enumerate(shown):
        for name, mask in (("mask", each.mask), (VISIBLE_MASKS, each.visible)):
            file = folder / name / f"{job.image:06d}_{index:06d}.png"
            write_pixels(file, mask.astype(np.uint8) * 255)
    write_json(_record_file(job), _record(renderer.scenes, shown, matrix))


def _record(
    scenes: RayScenes, shown: Sequence[tuple[PlacedObject, ObjectMaps]], matrix: np.ndarray
) -> dict[str, Any]:
    """What BOP's files say of an image: `camera`, `gt` and `gt_info`."""
    return dict(
        camera=dict(cam_K=np.array(FILE_MATRIX).ravel().tolist(), depth_scale=1.0),
        gt=[_truth(placed) for placed, _ in shown],
        gt_info=[
            _info(each.visible, *whole_silhouette(scenes, placed, matrix)) for placed, each in shown
        ],
    )


def _truth(placed: PlacedObject) -> dict[str, Any]:
    return dict(
        obj_id=placed.object_id,
        cam_R_m2c=placed.pose.rotation.ravel().tolist(),
        cam_t_m2c=(placed.pose.translation / METRES).tolist(),
    )


def _info(visible: np.ndarray, whole: np.ndarray, corner: np.ndarray) -> dict[str, Any]:
    """Boxes and pixel counts of the visible part, and of the whole silhouette, also beyond the
    image's border; its pixel (0, 0) is pixel `corner`, x and y, of the image.
    """
    box = np.array(_box(whole)) + np.array([*corner, 0, 0])
    return dict(
        bbox_obj=box.tolist(),
        bbox_visib=_box(visible),
        px_count_all=int(whole.sum()),
        px_count_valid=int(whole.sum()),
        px_count_visib=int(visible.sum()),
        visib_fract=float(visible.sum() / whole.sum()),
    )


def _box(mask: np.ndarray) -> list[int]:
    """First column and row of a mask, and the distance to the last ones; -1 for an empty mask."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return [-1, -1, -1, -1]
    return [int(value) for value in (columns.min(), rows.min(), np.ptp(columns), np.ptp(rows))]


def _claim(root: Path, settings: DatasetSettings) -> None:
    """Marks the folder with the settings, or checks that a run of the same settings began it."""
    marker = root / MARKER
    if marker.is_file():
        described = json.loads(json.dumps(asdict(settings)))
        different = differing_keys(json.loads(marker.read_text()), described)
        if different:
            raise UserError(
                f"{root} was written with other settings ({', '.join(different)}; see {MARKER}); "
                "name another folder"
            )
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"{root} is not empty and has no {MARKER}; name another folder")
    write_json(marker, asdict(settings), indent=2)


def _write_models(root: Path, source: str | None) -> None:
    """Copies models, or writes the procedural ones."""
    if (root / "models_eval" / INFO_FILE).is_file():
        return
    if source is None:
        write_procedural_models(root)
        return
    load_models(source)  # wrong models are found before any image is rendered
    evaluation = Path(source).parent / "models_eval"
    shutil.copytree(source, root / "models", dirs_exist_ok=True)
    shutil.copytree(
        evaluation if evaluation.is_dir() else source, root / "models_eval", dirs_exist_ok=True
    )


def _write_camera(root: Path) -> None:
    matrix = np.array(FILE_MATRIX)
    camera = dict(fx=matrix[0, 0], fy=matrix[1, 1], cx=matrix[0, 2], cy=matrix[1, 2])
    size = dict(width=IMAGE_SIZE[0], height=IMAGE_SIZE[1], depth_scale=1.0)
    write_json(root / CAMERA_FILE, {**camera, **size}, indent=2)


def _finish_scene(folder: Path, images: int) -> None:
    """Joins the records of a scene into its JSON files."""
    records = {
        str(image): json.loads((folder / _RECORDS / f"{image:06d}.json").read_text())
        for image in range(images)
    }
    for name in ("camera", "gt", "gt_info"):
        content = {image: record[name] for image, record in records.items()}
        write_json(folder / f"scene_{name}.json", content)


def _write_targets(root: Path, settings: DatasetSettings) -> None:
    """Every object of the test images of which enough is visible."""
    targets = []
    for scene in range(settings.test_scenes):
        folder = _scene_folder(root, TEST, scene)
        truth = json.loads((folder / "scene_gt.json").read_text())
        info = json.loads((folder / "scene_gt_info.json").read_text())
        for image, entries in truth.items():
            seen = [
                entry["obj_id"]
                for entry, each in zip(entries, info[image])
                if each["visib_fract"] >= LEAST_VISIBLE
            ]
            targets += [_target(scene, image, key, seen) for key in sorted(set(seen))]
    write_json(root / TARGETS_FILE, targets)


def _target(scene: int, image: str, object_id: int, seen: Sequence[int]) -> Mapping[str, int]:
    count = seen.count(object_id)
    return dict(scene_id=scene, im_id=int(image), obj_id=object_id, inst_count=count)


def _scene_folder(root: Path, split: str, scene: int) -> Path:
    return root / split / f"{scene:06d}"


def _record_file(job: ImageJob) -> Path:
    return _scene_folder(job.root, job.split, job.scene) / _RECORDS / f"{job.image:06d}.json"


@lru_cache(maxsize=1)
def _renderer(root: Path) -> Renderer:
    """The renderer of this process."""
    return Renderer(RayScenes(load_models(root / "models")))
