"""Ablation: the KL loss and the regularisation of derivatives: the model as it is. 3000 steps.

COMMAND   tools/train.py configs/synthetic/ablation/kl_regularized.py
HARDWARE  2 CPU cores
RESULT    not trained yet
"""

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/ablation.py",
]
