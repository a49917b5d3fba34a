"""FCOS3D of mmdet3d with the backbone, neck, pixels, boxes and schedule of
epropnp_v2_r101_12e_nuscenes.py: the baseline of that model.

COMMAND   tools/dist_train.sh configs/detection/nuscenes/fcos3d_r101_nuscenes.py 4
HARDWARE  4 GPUs, 3 images each
RESULT    not trained yet
"""

from epropnp_det.detection.data.pipelines import make_test_pipeline, make_train_pipeline

_base_ = [
    "../../_base_/datasets/nuscenes.py",
    "../../_base_/models/fcos3d_r101.py",
    "../../_base_/schedules/adamw_12e.py",
    "../../_base_/default_runtime.py",
]

train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, fcos3d=True, canonical={{_base_.canonical}}
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}}, fcos3d=True, canonical={{_base_.canonical}}
)
data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
