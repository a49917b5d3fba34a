"""Memorises the six images of one nuScenes keyframe on a CPU: a check of the whole path, from
annotation file to official score.

COMMAND   tools/create_data.py nuscenes data/one_frame --version v1.0-mini
          tools/train.py configs/detection/debug/one_frame.py
HARDWARE  2 CPU cores, one thread, with other programs running: 33 min
RESULT    mini_train, devkit: mAP 0.4996 (five of ten classes have boxes in range: 0.9991 over
          those), their mean ATE 0.055 m; seed 0
"""

from epropnp_det.detection.data.pipelines import make_train_pipeline, mini_split

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
# No mirrored images: there is nothing to generalise to.
train_pipeline = make_train_pipeline(
    {{_base_.class_names}}, scale=0.5, flip=False, canonical={{_base_.canonical}}
)
frame = mini_split(data_root, "train")
data = dict(train=dict(frame, pipeline=train_pipeline), val=frame, test=frame)
