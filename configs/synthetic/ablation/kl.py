"""Ablation: the KL loss alone. 3000 steps.

COMMAND   tools/train.py configs/synthetic/ablation/kl.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/ablation.py",
]
model = dict(bbox_head=dict(losses=dict(position=0.0, orientation=0.0)))
