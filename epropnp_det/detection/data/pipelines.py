"""Pipelines and training sets of the configs: the order of the steps and the list of the synthetic
databases are defined here only.

A config calls these functions while it is read. The log of a training and `Config.dump` contain
the finished lists, and `--cfg-options` changes them as usual.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

Settings = dict[str, Any]

LOAD: Settings = dict(type="LoadCameraImage")
ANNOTATE: Settings = dict(type="LoadCameraAnnotations")
LOAD_LIDAR: Settings = dict(type="LoadLidarPoints")
# nuScenes images are 1600 x 900; the rows of the sky are cropped away.
CROP: Settings = dict(type="CropImage", box=(0, 228, 1600, 900))
KEEP_VISIBLE: Settings = dict(
    type="FilterObjects", min_visibility=2, max_truncation=0.8, min_box_size=4.0
)
FLIP: Settings = dict(type="FlipImage", prob=0.5)
# Mean and standard deviation of ImageNet, red first.
NORMALIZE: Settings = dict(
    type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
RENDER: Settings = dict(type="RenderView")
# What EfficientNet-lite0 was trained with.
NORMALIZE_LITE: Settings = dict(
    type="Normalize", mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0], to_rgb=True
)
PAD: Settings = dict(type="Pad", size_divisor=32)

_IMAGE_META = (
    "filename",
    "ori_shape",
    "img_shape",
    "pad_shape",
    "camera",
    "flip",
    "level_rotation",
)
# The cameras of nuScenes, for a network that trained on its images. The focal length of five of
# the cameras is 1250 to 1273 px, that of the back camera 796 to 809 px. Few training images are of
# the back camera: images between the two are enlarged.
NUSCENES_CAMERA: Settings = dict(
    size=(1600, 900),
    focal=(1240.0, 1280.0),
    kept_focal=((790.0, 820.0),),
    widest=2400,
    principal_x=(750.0, 850.0),
    principal_y=(430.0, 520.0),
)

META_KEYS = (*_IMAGE_META, "lidar_points")
FCOS3D_META_KEYS = (*_IMAGE_META, "cam2img", "scale_factor", "box_type_3d")
GROUND_TRUTH = ("gt_bboxes_3d", "gt_labels_3d", "gt_bboxes", "attr_labels")
FCOS3D_GROUND_TRUTH = (
    "gt_bboxes",
    "gt_labels",
    "gt_bboxes_3d",
    "gt_labels_3d",
    "centers2d",
    "depths",
    "attr_labels",
)

# Arguments of `make_train_pipeline` for windows around objects, at half size.
WINDOWS: Settings = dict(scale=0.5, window=(640, 512), canonical_yaw=True)
# Half of the windows keep their own camera.
RANDOM_CAMERA: Settings = dict(focal_scale=(0.7, 1.4), pitch=5.0, roll=3.0, identity=0.5)

# The synthetic training data of the comparison: one database of preset `full`, twenty of `varied`.
SYNTHETIC_ROOTS = ("data/synthetic/", *(f"data/varied/{seed}/" for seed in range(1, 21)))


def make_train_pipeline(
    class_names: Sequence[str],
    *,
    load: Settings = LOAD,
    crop: Settings | None = CROP,
    lidar: bool = False,
    canonical_yaw: bool | Sequence[str] = False,
    window: tuple[int, int] | None = None,
    scale: float = 1.0,
    flip: bool = True,
    normalize: Settings = NORMALIZE,
    fcos3d: bool = False,
    canonical: Settings | None = None,
    random_camera: Settings | None = None,
    level_by: str | None = None,
) -> list[Settings]:
    """The steps from an annotated nuScenes image to a training sample.

    Args:
        class_names: in the order of the labels.
        load: the step that reads the image.
        crop: the step that cuts the same part out of every image; None keeps whole images.
        lidar: load LiDAR points for the auxiliary losses.
        canonical_yaw: names of classes that a half turn does not change, whose boxes get one yaw;
            True means those of nuScenes.
        window: (width, height) [px] of a crop around a random object, before resizing.
        scale: factor of the image size.
        flip: mirror half of the images.
        normalize: the step that normalises colours as the backbone expects them.
        fcos3d: add what mmdet3d's FCOS3D reads.
        canonical: fields of the `CanonicalCamera` that every picture is warped to, `crop` counting
            in its view; None leaves pictures as they are.
        random_camera: settings of `WarpToRandomCamera`, which takes the place of the plain warp to
            the canonical camera; None varies no camera.
        level_by: the setting of `WarpToCanonicalCamera`: "ego" or "global" where the cameras of the
            annotation file are tilted; None takes them as level.
    """
    keep = [KEEP_VISIBLE]
    if window is not None:
        keep = [KEEP_VISIBLE, dict(type="CropAroundObject", size=window), KEEP_VISIBLE]
    ground_truth = FCOS3D_GROUND_TRUTH if fcos3d else GROUND_TRUTH
    steps = [
        load,
        ANNOTATE,
        *[LOAD_LIDAR] * lidar,
        *_turn(canonical_yaw),
        *_see(crop, normalize, canonical, random_camera, level_by),
        *keep,
        *_resize(scale),
        *[FLIP] * flip,
        *[RENDER] * (canonical is not None),
        *_to_network(class_names, ground_truth, normalize, fcos3d),
    ]
    return copy.deepcopy(steps)


def make_test_pipeline(
    class_names: Sequence[str],
    *,
    load: Settings = LOAD,
    crop: Settings | None = CROP,
    scale: float = 1.0,
    normalize: Settings = NORMALIZE,
    fcos3d: bool = False,
    canonical: Settings | None = None,
    level_by: str | None = None,
) -> list[Settings]:
    """The steps from an image to a test sample; arguments as in `make_train_pipeline`."""
    steps = [
        load,
        *_see(crop, normalize, canonical, None, level_by),
        *_resize(scale),
        *[RENDER] * (canonical is not None),
        *_to_network(class_names, (), normalize, fcos3d),
    ]
    return copy.deepcopy(steps)


def _turn(canonical_yaw: bool | Sequence[str]) -> list[Settings]:
    """The step that gives boxes of symmetric classes one yaw, if any."""
    step: Settings = dict(type="CanonicalizeSymmetricYaw")
    if isinstance(canonical_yaw, bool):
        return [step] * canonical_yaw
    return [dict(step, classes=tuple(canonical_yaw))]


def _see(
    crop: Settings | None,
    normalize: Settings,
    canonical: Settings | None,
    random_camera: Settings | None,
    level_by: str | None,
) -> list[Settings]:
    """The step that gives the network its part of the picture, if any."""
    if canonical is None:
        return [] if crop is None else [crop]
    kind = "WarpToCanonicalCamera" if random_camera is None else "WarpToRandomCamera"
    part = None if crop is None else crop["box"]
    # The mean becomes zero, as padding is.
    step = dict(type=kind, camera=canonical, crop=part, fill=tuple(reversed(normalize["mean"])))
    tilt = {} if level_by is None else dict(level_by=level_by)
    return [dict(random_camera or {}, **step, **tilt)]


def _resize(scale: float) -> list[Settings]:
    return [] if scale == 1 else [dict(type="ResizeImage", scale=scale)]


def _to_network(
    class_names: Sequence[str], ground_truth: Sequence[str], normalize: Settings, fcos3d: bool
) -> list[Settings]:
    """Normalisation, padding and the choice of what reaches the network."""
    bundle: Settings = dict(type="DefaultFormatBundle3D", class_names=class_names)
    if not ground_truth:
        bundle["with_label"] = False
    meta_keys = FCOS3D_META_KEYS if fcos3d else META_KEYS
    collect = dict(type="Collect3D", keys=["img", *ground_truth], meta_keys=meta_keys)
    return [*[dict(type="AddFCOS3DInputs")] * fcos3d, normalize, PAD, bundle, collect]


def mini_split(root: str, split: str) -> Settings:
    """Folder and annotation file of a split ("train" or "val") of a v1.0-mini database.

    Args:
        root: folder of the database, with a slash at its end.
    """
    return dict(data_root=root, ann_file=f"{root}nuscenes_mini_infos_{split}_mono3d.coco.json")


def pandaset_split(root: str, split: str) -> Settings:
    """A part ("train" or "val") of a sequence of PandaSet in the form of the annotation file.

    Neighbouring frames are near copies of each other, so the parts are the frames 0 to 31 and 36 to
    47. Boxes with less than five LiDAR points are often hidden.

    Args:
        root: folder with `pandaset_mono3d.json`, with a slash at its end.
    """
    frames = dict(train=(0, 31), val=(36, 47))[split]
    return dict(
        data_root=root,
        ann_file=f"{root}pandaset_mono3d.json",
        file_numbers=frames,
        min_lidar_points=5,
        metrics=dict(frame="level"),
    )


def kitti_split(root: str, split: str) -> Settings:
    """A part ("train" or "val") of KITTI's training images: numbers 0 to 24, and all further ones.

    Args:
        root: folder with `kitti_mono3d.json` of tools/create_data.py, with a slash at its end.
    """
    numbers = dict(train=(0, 24), val=(25, 7480))[split]
    return dict(data_root=root, ann_file=f"{root}kitti_mono3d.json", file_numbers=numbers)


def make_fine_tuning_data(
    class_names: Sequence[str],
    parts: dict[str, Settings],
    *,
    canonical: Settings,
    level_by: str | None = None,
    normalize: Settings = NORMALIZE,
    fcos3d: bool = False,
) -> Settings:
    """The `data` of a config that trains on windows of real images and tests on whole ones.

    Args:
        class_names: in the order of the labels.
        parts: annotation files of "train" and "val", such as those of `kitti_split`.
        canonical, level_by, normalize, fcos3d: as of `make_train_pipeline`.
    """
    shared: Settings = dict(
        canonical=canonical, level_by=level_by, normalize=normalize, fcos3d=fcos3d
    )
    train = make_train_pipeline(class_names, **WINDOWS, **shared)
    # Replaces the dataset of the base.
    common = dict(type="NuScenesCameraDataset", _delete_=True)
    test_pipeline = make_test_pipeline(class_names, scale=WINDOWS["scale"], **shared)
    test = dict(common, pipeline=test_pipeline, test_mode=True)
    test.update(parts["val"])
    return dict(train=dict(common, pipeline=train, **parts["train"]), val=test, test=test)


def synthetic_training_sets(**settings: Any) -> list[Settings]:
    """A dataset for each of the synthetic databases, all with the same other settings."""
    return [dict(mini_split(root, "train"), **settings) for root in SYNTHETIC_ROOTS]


def join_synthetic_training_sets(pipeline: list[Settings]) -> Settings:
    """One dataset of all images of the synthetic databases."""
    mini = dict(type="NuScenesCameraDataset", version="v1.0-mini", pipeline=pipeline)
    return dict(type="ConcatDataset", datasets=synthetic_training_sets(**mini))


def join_synthetic_object_crops(mean: Sequence[float], std: Sequence[float]) -> Settings:
    """One dataset of the crops of all objects of the synthetic databases.

    Args:
        mean: mean colour, red first.
        std: standard deviation of the colours, red first.
    """
    frozen, *varied = synthetic_training_sets(
        type="ObjectCropDataset",
        limits=dict(min_visibility=2, max_truncation=0.5, min_box_size=6.0),
        mean=mean,
        std=std,
    )
    # Neighbouring keyframes of data/synthetic show the same objects from the same side: one image
    # in three.
    frozen["share"] = 1 / 3
    return dict(type="ConcatDataset", datasets=[frozen, *varied])
