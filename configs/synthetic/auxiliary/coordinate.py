"""Ablation of the auxiliary losses on the synthetic world: coordinates of LiDAR points alone.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/auxiliary/coordinate.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["./none.py"]

model = dict(bbox_head=dict(auxiliary={{_base_.auxiliary}}, losses=dict(coordinate={{_base_.coordinate_loss}})))
