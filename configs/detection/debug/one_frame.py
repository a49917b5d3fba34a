"""Memorises the six images of one nuScenes keyframe on a CPU: a check of the whole path, from
annotation file to official score.

COMMAND   tools/create_data.py nuscenes data/one_frame --version v1.0-mini && tools/train.py
configs/detection/debug/one_frame.py
HARDWARE  2 CPU cores, one thread, other programs beside it: 33 min
RESULT    mini_train, devkit: mAP 0.4996 (five of ten classes have boxes in range: 0.9991 over
    those), their mean ATE 0.055 m; seed 0
"""

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/adamw_iterations.py",
]

model = dict(
    backbone=dict(base_channels=32, norm_cfg=dict(num_groups=16)),
    neck=dict(in_channels=[64, 128, 256]),
)

data_root = "data/one_frame/"
ann_file = data_root + "nuscenes_mini_infos_train_mono3d.coco.json"
# No mirrored images: there is nothing to generalise to.
train_pipeline = [
    {{_base_.load}},
    {{_base_.annotate}},
    {{_base_.crop}},
    {{_base_.keep_visible}},
    {{_base_.half}},
    {{_base_.normalize}},
    {{_base_.pad}},
    {{_base_.bundle}},
    {{_base_.collect}},
]
data = dict(
    train=dict(data_root=data_root, ann_file=ann_file, pipeline=train_pipeline),
    val=dict(data_root=data_root, ann_file=ann_file),
    test=dict(data_root=data_root, ann_file=ann_file),
)
