"""Ablation: the KL loss and the regularisation of derivatives, as everywhere: the row box2d of the auxiliary losses. 2400 steps.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/ablation/kl_regularized.py
HARDWARE  1 CPU core, half an hour
RESULT    not trained yet
"""

_base_ = ["../auxiliary/box2d.py"]
