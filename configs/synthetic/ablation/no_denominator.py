"""Ablation: weights without the denominator of the Softmax. 2400 steps on the varied worlds.

COMMAND   tools/train.py configs/synthetic/ablation/no_denominator.py    (the worlds: epropnp_r18_varied.py)
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(objects=dict(normalized_weights=False)))
