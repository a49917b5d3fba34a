# Steps of the pipelines of whole images. Nothing is mirrored: a mirrored object is another object.
load_image = dict(type="LoadImageFromFile")
load_annotations = dict(type="LoadAnnotations", with_bbox=True, with_mask=True)
keep_side = dict(type="RandomFlip", flip_ratio=0.0)
distort_colors = dict(type="PhotoMetricDistortion")
format_annotations = dict(type="DefaultFormatBundle")
collect_training = dict(
    type="Collect", keys=["img", "gt_bboxes", "gt_labels", "gt_masks", "gt_bboxes_ignore"]
)
normalize = dict(
    type="Normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
pad = dict(type="Pad", size_divisor=32)
test_transforms = [
    dict(type="Resize", keep_ratio=True),
    dict(type="RandomFlip"),
    normalize,
    pad,
    dict(type="ImageToTensor", keys=["img"]),
    dict(type="Collect", keys=["img"]),
]
