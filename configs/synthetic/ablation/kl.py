"""Ablation: the KL loss alone. 3000 steps.

COMMAND   tools/train.py configs/synthetic/ablation/kl.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(losses=dict(position=0.0, orientation=0.0)))
