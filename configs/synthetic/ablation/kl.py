"""Ablation: the KL loss alone. 2400 steps.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/ablation/kl.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(losses=dict(position=0.0, orientation=0.0)))
