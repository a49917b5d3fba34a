"""Ablation: weights without the denominator of the Softmax. 3000 steps.

COMMAND   tools/train.py configs/synthetic/ablation/no_denominator.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/ablation.py",
]
model = dict(bbox_head=dict(objects=dict(normalized_weights=False)))
