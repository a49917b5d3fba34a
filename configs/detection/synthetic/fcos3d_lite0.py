"""FCOS3D of mmdet3d on the datasets, crops, random cameras and boxes of epropnp_lite0.py, from the
same backbone.

COMMAND   tools/dist_train.sh configs/detection/synthetic/fcos3d_lite0.py 2
HARDWARE  2 CPU cores, 5 to 6 core hours after 0.6 of the backbone
RESULT    NDS 0.2925, mAP 0.1493, mAOE 0.505 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    RANDOM_CAMERA,
    WINDOWS,
    join_synthetic_training_sets,
    make_test_pipeline,
    make_train_pipeline,
)

_base_ = ["./fcos3d_r18_varied.py", "../../_base_/models/lite0_backbone.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    **WINDOWS,
    normalize=NORMALIZE_LITE,
    fcos3d=True,
    canonical={{_base_.canonical}},
    random_camera=RANDOM_CAMERA,
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}},
    scale=0.5,
    normalize=NORMALIZE_LITE,
    fcos3d=True,
    canonical={{_base_.canonical}},
)
all_worlds = join_synthetic_training_sets(train_pipeline)
data = dict(
    train=dict(all_worlds, _delete_=True),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
model = dict(
    backbone={{_base_.lite0_trained_on_crops}}, neck=dict(in_channels={{_base_.lite0_channels}})
)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]
runner = dict(max_iters=12000)
