"""Trains EfficientNet-lite0, from its ImageNet weights, on crops of single objects: class and
heading.

COMMAND   the data of epropnp_r18_varied.py, then
          tools/train.py configs/detection/synthetic/backbone_lite0.py
HARDWARE  1 CPU core of two that other programs used too, 38 minutes
RESULT    94 % of the classes and 72 % of the headings (12 bins) right in the last 50 steps of
          training
"""

from epropnp_det.detection.data.pipelines import NORMALIZE_LITE, join_synthetic_object_crops

_base_ = ["./backbone_r18.py", "../../_base_/models/lite0_backbone.py"]
model = dict(backbone={{_base_.lite0}}, channels={{_base_.lite0_channels}})
crops = join_synthetic_object_crops(NORMALIZE_LITE["mean"], NORMALIZE_LITE["std"])
data = dict(train=dict(crops, _delete_=True))
optimizer = dict(lr=1e-3)
lr_config = dict(warmup_iters=100)
runner = dict(max_iters=1500)
checkpoint_config = dict(interval=200)
custom_hooks = [dict(type="MixedPrecisionHook", channels_last=True)]
