"""FCOS3D of mmdet3d with the backbone, neck, pixels, boxes and schedule of
epropnp_v2_r101_12e_nuscenes.py: the baseline of that model.

COMMAND   tools/dist_train.sh configs/detection/nuscenes/fcos3d_r101_nuscenes.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained yet
"""

_base_ = [
    "../../_base_/datasets/nuscenes.py",
    "../../_base_/models/fcos3d_r101.py",
    "../../_base_/schedules/adamw_12e.py",
    "../../_base_/default_runtime.py",
]

inputs = dict(type="AddFCOS3DInputs")
meta_keys = (
    "filename",
    "ori_shape",
    "img_shape",
    "pad_shape",
    "camera",
    "flip",
    "cam2img",
    "scale_factor",
    "box_type_3d",
)
truth = [
    "gt_bboxes",
    "gt_labels",
    "gt_bboxes_3d",
    "gt_labels_3d",
    "centers2d",
    "depths",
    "attr_labels",
]
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.flip}},
    inputs,
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    dict(type="Collect3D", keys=["img", *truth], meta_keys=meta_keys),
]
test_pipeline = [
    {{_base_.load}},
    {{_base_.crop}},
    inputs,
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle_image}},
    dict(type="Collect3D", keys=["img"], meta_keys=meta_keys),
]
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
