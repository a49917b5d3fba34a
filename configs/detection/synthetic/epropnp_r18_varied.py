"""EPro-PnP on crops of 21 synthetic datasets, with all auxiliary losses and a pretrained backbone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          for seed in $(seq 1 20); do
              tools/create_synthetic_nuscenes.py data/varied/$seed --preset varied --seed $seed
              tools/create_data.py nuscenes data/varied/$seed --version v1.0-mini --lidar
          done
          tools/train.py configs/detection/synthetic/backbone_r18.py
          tools/dist_train.sh configs/detection/synthetic/epropnp_r18_varied.py 2
HARDWARE  2 CPU cores, 99 minutes
RESULT    NDS 0.4677, mAP 0.3897, mAOE 0.272 on the two held-out scenes
          (docs/experiments/results.md)
"""

from epropnp_det.detection.data.pipelines import (
    WINDOWS,
    join_synthetic_training_sets,
    make_train_pipeline,
)

_base_ = ["./auxiliary/all.py"]
train_pipeline = make_train_pipeline(
    {{_base_.class_names}},
    **WINDOWS,
    lidar=True,
    canonical={{_base_.canonical}},
)
all_worlds = join_synthetic_training_sets(train_pipeline)
data = dict(samples_per_gpu=4, train=dict(all_worlds, _delete_=True))
pretrained = dict(
    type="Pretrained", checkpoint="work_dirs/backbone_r18/latest.pth", prefix="backbone."
)
model = dict(
    backbone=dict(init_cfg=pretrained),
    bbox_head=dict(objects=dict(ray_encoding=True), losses=dict(velocity=dict(loss_weight=0.2))),
    train_cfg=dict(queries_per_image=16),
)
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.5))))
runner = dict(max_iters=10000)
