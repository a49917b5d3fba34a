"""Ablation of the auxiliary losses on the synthetic world: 2D boxes alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/auxiliary/box2d.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["./none.py"]

model = dict(bbox_head=dict(dense_head=dict(bbox_branch=(64,)), losses=dict(bbox=dict(_delete_=True, type="GIoULoss", loss_weight=0.5))))
