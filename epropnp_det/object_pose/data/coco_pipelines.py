"""Pipelines of whole images for the detectors of mmdet; the order of the steps is defined here
only.

A config calls these functions while it is read.
"""

from __future__ import annotations

from typing import Any

Settings = dict[str, Any]

_LOAD: Settings = dict(type="LoadImageFromFile")
# Mean and standard deviation of ImageNet, red first.
_NORMALIZE: Settings = dict(
    type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
_PAD: Settings = dict(type="Pad", size_divisor=32)


def coco_train_pipeline(
    scale: tuple[int, int],
    clutter: float = 0.0,
    photographs: str | None = None,
    photograph_share: float = 0.5,
) -> list[Settings]:
    """Steps of a training. Nothing is mirrored: a mirrored object is another object.

    Args:
        scale: width and height [px] that images are fitted into.
        clutter: share of the images with random shapes behind the objects, see `DrawClutter`.
        photographs: a folder or a pattern of images, see `PastePhotograph`; None for none.
        photograph_share: share of the images with a photograph behind the objects, and without
            clutter.
    """
    photograph = dict(type="PastePhotograph", source=photographs, share=photograph_share)
    keys = ["img", "gt_bboxes", "gt_labels", "gt_masks", "gt_bboxes_ignore"]
    return [
        _LOAD,
        dict(type="LoadAnnotations", with_bbox=True, with_mask=True),
        dict(type="Resize", img_scale=scale, keep_ratio=True),
        dict(type="RandomFlip", flip_ratio=0.0),
        dict(type="DrawClutter", share=clutter),
        *([photograph] if photographs else []),
        dict(type="PhotoMetricDistortion"),
        _NORMALIZE,
        _PAD,
        dict(type="DefaultFormatBundle"),
        dict(type="Collect", keys=keys),
    ]


def coco_test_pipeline(scale: tuple[int, int]) -> list[Settings]:
    """Steps of a test; `scale` as of `coco_train_pipeline`."""
    steps = [
        dict(type="Resize", keep_ratio=True),
        dict(type="RandomFlip"),
        _NORMALIZE,
        _PAD,
        dict(type="ImageToTensor", keys=["img"]),
        dict(type="Collect", keys=["img"]),
    ]
    return [
        _LOAD,
        dict(type="MultiScaleFlipAug", img_scale=scale, flip=False, transforms=steps),
    ]
