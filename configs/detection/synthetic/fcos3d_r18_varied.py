"""FCOS3D of mmdet3d on the datasets, crops and boxes of epropnp_r18_varied.py, from the same
backbone.

COMMAND   tools/dist_train.sh configs/detection/synthetic/fcos3d_r18_varied.py 2
HARDWARE  2 CPU cores, 84 minutes
RESULT    NDS 0.2281, mAP 0.0924, mAOE 0.655 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    WINDOWS,
    join_synthetic_training_sets,
    make_train_pipeline,
)

_base_ = ["./fcos3d_r18_synthetic.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    **WINDOWS,
    fcos3d=True,
    canonical={{_base_.canonical}},
)
all_worlds = join_synthetic_training_sets(train_pipeline)
data = dict(samples_per_gpu=4, train=dict(all_worlds, _delete_=True))
pretrained = dict(
    type="Pretrained", checkpoint="work_dirs/backbone_r18/latest.pth", prefix="backbone."
)
model = dict(backbone=dict(init_cfg=pretrained))
runner = dict(max_iters=10000)
