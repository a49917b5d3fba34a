"""Ablation: weights without the denominator of the Softmax. 2400 steps.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/ablation/no_denominator.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(objects=dict(normalized_weights=False)))
