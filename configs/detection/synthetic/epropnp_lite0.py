"""EPro-PnP on EfficientNet-lite0, on windows of 21 synthetic datasets: epropnp_r18_varied.py with a
backbone from ImageNet.

COMMAND   the data of epropnp_r18_varied.py, then
          tools/train.py configs/detection/synthetic/backbone_lite0.py
          tools/dist_train.sh configs/detection/synthetic/epropnp_lite0.py 2
HARDWARE  2 CPU cores, 3.6 core hours after 0.6 of the backbone
RESULT    NDS 0.5422, mAP 0.4743, mAOE 0.140 on the two held-out scenes; with flip augmentation
          NDS 0.5502 (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    NORMALIZE_LITE,
    RANDOM_CAMERA,
    WINDOWS,
    join_synthetic_training_sets,
    make_test_pipeline,
    make_train_pipeline,
)

_base_ = ["./epropnp_r18_varied.py", "../../_base_/models/lite0_backbone.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    **WINDOWS,
    lidar=True,
    normalize=NORMALIZE_LITE,
    canonical={{_base_.canonical}},
    random_camera=RANDOM_CAMERA,
)
test_pipeline = make_test_pipeline(
    {{_base_.class_names}}, scale=0.5, normalize=NORMALIZE_LITE, canonical={{_base_.canonical}}
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
