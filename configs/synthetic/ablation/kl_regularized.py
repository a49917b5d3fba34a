"""Ablation: the KL loss and the regularisation of derivatives, as everywhere: the row box2d of the auxiliary losses. 2400 steps.

COMMAND   tools/create_data.py nuscenes data/synthetic --version v1.0-mini --lidar
          tools/train.py configs/synthetic/ablation/kl_regularized.py
HARDWARE  1 CPU core, half an hour
RESULT    NDS 0.1909, mAP 0.0768, mAOE 1.049 on the two held-out scenes (docs/results.md)
"""

_base_ = ["../auxiliary/box2d.py"]
