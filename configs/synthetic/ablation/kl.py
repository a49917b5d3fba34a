"""Ablation: the KL loss alone. 2400 steps on the varied worlds.

COMMAND   tools/train.py configs/synthetic/ablation/kl.py    (the worlds: epropnp_r18_varied.py)
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(losses=dict(position=0.0, orientation=0.0)))
