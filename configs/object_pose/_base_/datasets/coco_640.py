# Whole images of 640 x 480 px.
_base_ = ["./coco_steps.py"]
image_scale = (640, 480)
train_pipeline = [
    {{_base_.load_image}},
    {{_base_.load_annotations}},
    dict(type="Resize", img_scale=image_scale, keep_ratio=True),
    {{_base_.keep_side}},
    {{_base_.distort_colors}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.format_annotations}},
    {{_base_.collect_training}},
]
test_pipeline = [
    {{_base_.load_image}},
    dict(
        type="MultiScaleFlipAug",
        img_scale=image_scale,
        flip=False,
        transforms={{_base_.test_transforms}},
    ),
]
