"""Pipeline steps that keep image, camera and ground truth together.

Every step returns a new `results` dict and changes nothing inside the one it was given. The ground
truth, where there is any:

* `gt_bboxes_3d`: mmdet3d's boxes (n, 9), camera frame, m (`boxes.from_mmdet3d` gives poses and
  sizes); unknown velocity is NaN
* `gt_bboxes`: (n, 4) float32, x1, y1, x2, y2 in pixels, inside the image
* `gt_labels_3d`, `attr_labels`: (n,) int64
* `lidar_points`: `LidarPoints`, owners counting the boxes; only after `LoadLidarPoints`
* `view`: `ImageView`, while another camera sees the picture and is not drawn yet; `img` is then
  the picture
* `visibility`: (n,) nuScenes token 1..4; `truncation`: (n,) share of the projected rectangle that
  the image does not show
"""

from __future__ import annotations

import random

import cv2
import numpy as np
import torch
from mmdet3d.datasets.builder import PIPELINES

from epropnp_det.engine.confined_names import file_under
from epropnp_det.engine.images import read_image
from epropnp_det.errors import UserError
from epropnp_det.pnp import Camera

from ..boxes import mirror_boxes
from .image_view import ImageView
from .object_limits import ObjectLimits
from .projection import areas, clip_boxes

GROUND_TRUTH_KEYS = (
    "gt_bboxes_3d",
    "gt_labels_3d",
    "gt_bboxes",
    "attr_labels",
    "visibility",
    "truncation",
)


@PIPELINES.register_module()
class LoadCameraImage:
    """Loads the image (H, W, 3) BGR as float32 and makes the `Camera` that belongs to its pixels.

    Takes `results["img"]` (BGR, uint8) if it is there, else reads `img_info["filename"]` under
    `img_prefix`.

    Args:
        first_pixel: where the intrinsics put the centre of pixel (0, 0): 0.5 as everywhere here, or
            0 as the released v1 models were trained with. The camera takes the difference up.

    Raises:
        UserError: the file is missing or truncated, or has not the size that the annotations say.
    """

    def __init__(self, first_pixel: float = 0.5):
        self.shift = 0.5 - first_pixel

    def __call__(self, results: dict) -> dict:
        info = results["img_info"]
        filename = None
        if "img" in results:
            image = results["img"]
        else:
            root = results["img_prefix"]  # None or empty: the user's own path
            filename = str(file_under(root, info["filename"]) if root else info["filename"])
            image = read_image(filename)
        height, width = image.shape[:2]
        if "width" in info and (info["width"], info["height"]) != (width, height):
            raise UserError(
                f"image {filename} is {width}x{height}, its annotation says "
                f"{info['width']}x{info['height']}"
            )
        return dict(
            results,
            filename=filename,
            img=image.astype(np.float32),
            img_fields=["img"],
            img_shape=image.shape,
            ori_shape=image.shape,
            pad_shape=image.shape,
            scale_factor=1.0,
            flip=False,
            camera=self._camera(info["cam_intrinsic"], width, height),
        )

    def _camera(self, matrix: list, width: int, height: int) -> Camera:
        """The camera of the file's pixels; all of it moves, clip limits included."""
        camera = Camera.for_image(torch.tensor(matrix, dtype=torch.float32), (width, height))
        return camera.crop(-self.shift, -self.shift) if self.shift else camera


@PIPELINES.register_module()
class LoadCameraAnnotations:
    """Copies the ground truth of an image from `ann_info`, as made by
    `NuScenesCameraDataset.get_ann_info`.
    """

    def __call__(self, results: dict) -> dict:
        annotation = results["ann_info"]
        return dict(
            results,
            gt_bboxes_3d=annotation["gt_bboxes_3d"].clone(),
            gt_labels_3d=annotation["gt_labels_3d"].copy(),
            gt_bboxes=clip_boxes(
                annotation["bboxes"], results["img_shape"][1], results["img_shape"][0]
            ),
            attr_labels=annotation["attr_labels"].copy(),
            visibility=annotation["visibility"].copy(),
            truncation=annotation["truncation"].copy(),
        )


@PIPELINES.register_module()
class CropImage:
    """Cuts a rectangle out of the image; the principal point moves, boxes are clipped, truncation
    grows.

    Boxes that are outside stay, with an empty rectangle and truncation 1: `FilterObjects` drops
        them.

    Args:
        box: x0, y0, x1, y1 in pixels, whole numbers; its part inside the image counts.

    Raises:
        UserError: nothing of the rectangle lies inside the image.
    """

    def __init__(self, box: tuple[int, int, int, int]):
        self.box = tuple(int(value) for value in box)

    def __call__(self, results: dict) -> dict:
        height, width = results["img_shape"][:2]
        x0, y0, x1, y1 = clip_boxes(np.array(self.box), width, height).tolist()
        if x1 <= x0 or y1 <= y0:
            raise UserError(
                f"crop {self.box} leaves nothing of the {width}x{height} image "
                f"{results['filename']}"
            )
        if "view" in results:
            moved = with_view(results, results["view"].crop(x0, y0, x1, y1))
        else:
            moved = _with_image(results, results["img"][y0:y1, x0:x1])
        moved["camera"] = results["camera"].crop(x0, y0)
        if "lidar_points" in results:
            moved["lidar_points"] = results["lidar_points"].crop(x0, y0).inside(x1 - x0, y1 - y0)
        if "gt_bboxes" in results:
            shifted = results["gt_bboxes"] - np.array([x0, y0, x0, y0], dtype=np.float32)
            moved["gt_bboxes"] = clip_boxes(shifted, x1 - x0, y1 - y0)
            moved["truncation"] = 1 - (1 - results["truncation"]) * _share(
                areas(moved["gt_bboxes"]), areas(shifted)
            )
        return moved


@PIPELINES.register_module()
class CropAroundObject:
    """`CropImage` to a window around a random object: most of an image shows nothing to learn a
    pose from.

    All classes in the image have equal probability, and so have the objects of a class. The object
    centre is uniform over the window, clipped to the image. An image without objects is cropped at
    random.

    Args:
        size: width and height of the window in pixels; a smaller image keeps its own.
    """

    def __init__(self, size: tuple[int, int]):
        if min(size) < 1:
            raise ValueError(f"size must be positive, not {size}")
        self.size = tuple(size)

    def __call__(self, results: dict) -> dict:
        height, width = results["img_shape"][:2]
        window = np.minimum(self.size, (width, height))
        corner = (
            self._target(results, width, height)
            - np.array([random.random(), random.random()]) * window
        )
        corner = np.clip(corner, 0, (width, height) - window).astype(int)
        return CropImage((*corner, *(corner + window)))(results)

    def _target(self, results: dict, width: int, height: int) -> np.ndarray:
        labels = results["gt_labels_3d"]
        if not len(labels):
            return np.array([random.uniform(0, width), random.uniform(0, height)])
        label = random.choice(np.unique(labels).tolist())
        box = results["gt_bboxes"][random.choice(np.flatnonzero(labels == label).tolist())]
        return (box[:2] + box[2:]) / 2


@PIPELINES.register_module()
class ResizeImage:
    """Resizes by one factor; width and height are rounded to whole pixels and the camera follows
    the true ratios.
    """

    def __init__(self, scale: float):
        if scale <= 0:
            raise ValueError(f"scale must be positive, not {scale}")
        self.scale = scale

    def __call__(self, results: dict) -> dict:
        height, width = results["img_shape"][:2]
        new_width = max(1, round(width * self.scale))
        new_height = max(1, round(height * self.scale))
        sx = new_width / width
        sy = new_height / height
        if "view" in results:
            moved = with_view(results, results["view"].scale((new_width, new_height)))
        else:
            # INTER_AREA averages all pixels under a smaller one; OpenCV too takes pixel centres at
            # (j + 0.5, i + 0.5).
            method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
            moved = _with_image(
                results, cv2.resize(results["img"], (new_width, new_height), interpolation=method)
            )
        moved["camera"] = results["camera"].scale(sx, sy)
        if "lidar_points" in results:
            moved["lidar_points"] = results["lidar_points"].scale(sx, sy)
        moved["scale_factor"] = (
            np.array([sx, sy, sx, sy], dtype=np.float32) * results["scale_factor"]
        )
        if "gt_bboxes" in results:
            moved["gt_bboxes"] = results["gt_bboxes"] * np.array([sx, sy, sx, sy], dtype=np.float32)
        return moved


@PIPELINES.register_module()
class FlipImage:
    """Mirrors image, camera and ground truth with a probability: the world behind the image is
    mirrored too.

    x -> -x, velocity x -> -x, yaw -> pi - yaw, u -> W - u with W the width of the image as it is
    now.
    """

    def __init__(self, prob: float = 0.5):
        if not 0 <= prob <= 1:
            raise ValueError(f"prob must lie in [0, 1], not {prob}")
        self.prob = prob

    def __call__(self, results: dict) -> dict:
        if random.random() >= self.prob:
            return dict(results)
        width = results["img_shape"][1]
        if "view" in results:
            moved = with_view(results, results["view"].flip())
        else:
            moved = _with_image(results, np.ascontiguousarray(results["img"][:, ::-1]))
        moved["camera"] = results["camera"].flip(width)
        if "lidar_points" in results:
            moved["lidar_points"] = results["lidar_points"].flip(width)
        moved["flip"] = not results["flip"]
        if "gt_bboxes" in results:
            moved["gt_bboxes"] = mirror_rectangles(results["gt_bboxes"], width)
            moved["gt_bboxes_3d"] = mirror_boxes(results["gt_bboxes_3d"])
        return moved


@PIPELINES.register_module()
class FilterObjects:
    """Drops occluded, truncated and small ground truth, from all its keys.

    Args:
        min_visibility: smallest nuScenes visibility token kept (1: 0-40 %, 2: 40-60 %, 3: 60-80 %,
            4: 80-100 %).
        max_truncation: largest share of the projected rectangle outside the image, after every crop
            so far.
        min_box_size: smallest width and height of the rectangle inside the image, in pixels.
    """

    def __init__(
        self, min_visibility: int = 2, max_truncation: float = 0.8, min_box_size: float = 4.0
    ):
        self.limits = ObjectLimits(min_visibility, max_truncation, min_box_size)

    def __call__(self, results: dict) -> dict:
        keep = self.limits.admit(results["gt_bboxes"], results["visibility"], results["truncation"])
        kept = {key: results[key][keep] for key in GROUND_TRUTH_KEYS if key != "gt_bboxes_3d"}
        kept["gt_bboxes_3d"] = results["gt_bboxes_3d"][torch.from_numpy(keep)]
        if "lidar_points" in results:
            kept["lidar_points"] = results["lidar_points"].of_objects(torch.from_numpy(keep))
        return dict(results, **kept)


def mirror_rectangles(boxes: np.ndarray, width: float) -> np.ndarray:
    """Rectangles (n, 4) as x1, y1, x2, y2 in the mirrored image of that width."""
    x1, y1, x2, y2 = boxes.T
    return np.stack([width - x2, y1, width - x1, y2], axis=1)


def with_view(results: dict, view: ImageView) -> dict:
    """The results with another `results["view"]`, which `RenderView` draws."""
    return dict(results, view=view, img_shape=view.shape, pad_shape=view.shape)


def _with_image(results: dict, image: np.ndarray) -> dict:
    return dict(results, img=image, img_shape=image.shape, pad_shape=image.shape)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, and 0 where whole is 0."""
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
