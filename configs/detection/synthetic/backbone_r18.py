"""Pretrains the small backbone on crops of single objects: class and heading.

COMMAND   the data of epropnp_r18_varied.py, then
          tools/train.py configs/detection/synthetic/backbone_r18.py
HARDWARE  1 CPU core, 36 minutes
RESULT    92 % of the classes and 70 % of the headings (12 bins) right in the last 50 steps of
          training
"""

from epropnp_det.detection.data.pipelines import join_synthetic_object_crops

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/adamw_iterations.py",
]
model = dict(
    _delete_=True,
    type="HeadingClassifier",
    backbone={{_base_.model.backbone}},
    channels=(48, 96, 192),
    num_classes=10,
)
data = dict(
    _delete_=True,
    samples_per_gpu=96,
    workers_per_gpu=1,
    train=join_synthetic_object_crops({{_base_.normalize.mean}}, {{_base_.normalize.std}}),
)
optimizer = dict(_delete_=True, type="AdamW", lr=2e-3, weight_decay=0.02)
runner = dict(max_iters=10000)
checkpoint_config = dict(interval=500)
custom_hooks = [dict(type="MixedPrecisionHook")]
