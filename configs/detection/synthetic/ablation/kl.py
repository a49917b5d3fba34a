"""Ablation of the pose losses: the KL loss alone. 2400 steps.

COMMAND   tools/train.py configs/detection/synthetic/ablation/kl.py
          (data and backbone: kl_regularized.py)
HARDWARE  1 CPU core, 27 minutes
RESULT    NDS 0.2774, mAP 0.1575, mAOE 0.740 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(losses=dict(position=0.0, orientation=0.0)))
