"""FCOS3D of mmdet3d on the synthetic world: the baseline with the same backbone, neck, pixels,
boxes and number of steps.

COMMAND   tools/train.py configs/detection/synthetic/fcos3d_r18_synthetic.py
HARDWARE  1 CPU core, 62 minutes
RESULT    NDS 0.1721, mAP 0.0457, mAOE 1.116 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = [
    "../../_base_/models/fcos3d_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/synthetic.py",
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
collect_truth = dict(type="Collect3D", keys=["img", *truth], meta_keys=meta_keys)
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.half}},
    {{_base_.flip}},
    inputs,
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    collect_truth,
]
test_pipeline = [
    {{_base_.load}},
    {{_base_.crop}},
    {{_base_.half}},
    inputs,
    {{_base_.normalize}},
    {{_base_.pad}},
    dict(type="DefaultFormatBundle3D", class_names={{_base_.class_names}}, with_label=False),
    dict(type="Collect3D", keys=["img"], meta_keys=meta_keys),
]
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
optimizer = dict(lr=5e-4)
