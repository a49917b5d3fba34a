"""FCOS3D of mmdet3d on the synthetic dataset: the baseline with the same backbone, neck, pixels,
boxes and number of steps.

COMMAND   tools/train.py configs/detection/synthetic/fcos3d_r18_synthetic.py
HARDWARE  1 CPU core, 62 minutes
RESULT    NDS 0.1721, mAP 0.0457, mAOE 1.116 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import make_test_pipeline, make_train_pipeline

_base_ = [
    "../../_base_/models/fcos3d_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/synthetic.py",
]

train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, scale=0.5, fcos3d=True, canonical={{_base_.canonical}}
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}}, scale=0.5, fcos3d=True, canonical={{_base_.canonical}}
)
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
optimizer = dict(lr=5e-4)
