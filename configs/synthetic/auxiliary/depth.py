"""Ablation of the auxiliary losses on the synthetic world: depth of LiDAR points alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/auxiliary/depth.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["./none.py"]

model = dict(bbox_head=dict(auxiliary={{_base_.auxiliary}}, losses=dict(depth={{_base_.depth_loss}})))
