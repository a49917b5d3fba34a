"""One picture per image of a test: predicted and true outlines of its objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import cv2
from tqdm import tqdm

from epropnp_det.drawing import background
from epropnp_det.drawing.silhouette import draw_outline
from epropnp_det.engine.output_files import make_folder, write_pixels

from ..data.bop_dataset import BopImage, read_image
from ..data.coordinate_maps import object_maps, pixel_centers
from ..data.object_models import ObjectModel
from ..data.ray_scenes import RayScenes
from ..data.target_boxes import TargetBox
from ..structures import ObjectPoses
from .pictures import View, draw_object

_WIDTH = 1280  # px
_TRUTH_BGR = (235, 235, 235)


def draw_targets(
    boxes: Sequence[TargetBox],
    poses: Sequence[ObjectPoses],
    models: dict[int, ObjectModel],
    folder: Path,
    background_kind: str = "image",
) -> None:
    """Writes SCENE_IMAGE.jpg for every image: predicted outlines in colour with axes, true ones
    white.

    Args:
        boxes: in the order of the images.
        poses: a batch of one for each box.
        background_kind: one of `drawing.BACKGROUNDS`.
    """
    make_folder(folder)
    scenes = RayScenes(models)
    pairs = list(zip(boxes, poses))
    progress = tqdm(total=len(pairs), desc="pictures", unit="object", disable=None)
    for (scene, number), group in groupby(pairs, key=lambda pair: _key(pair[0].image)):
        members = list(group)
        view = _view(members[0][0].image, background_kind)
        for box, _ in members:
            view = _with_truth(view, scenes, box)
        for index, (box, pose) in enumerate(members):
            view = draw_object(view, scenes, box.object_id, pose[0], index)
        write_pixels(folder / f"{scene:06d}_{number:06d}.jpg", view.image)
        progress.update(len(members))
    progress.close()


def _key(image: BopImage) -> tuple[int, int]:
    return image.scene_id, image.image_id


def _view(image: BopImage, background_kind: str) -> View:
    pixels = cv2.cvtColor(read_image(image), cv2.COLOR_RGB2BGR)
    return View(background(pixels, background_kind), image.camera_matrix).resized(_WIDTH)


def _with_truth(view: View, scenes: RayScenes, box: TargetBox) -> View:
    """The view with the outline of the object that a box of the ground truth was made for."""
    if box.instance is None:
        return view
    pixels = pixel_centers(view.image.shape[1], view.image.shape[0])
    (maps,) = object_maps(scenes, [box.instance], view.matrix, pixels)
    return View(draw_outline(view.image, maps.mask, _TRUTH_BGR), view.matrix)
