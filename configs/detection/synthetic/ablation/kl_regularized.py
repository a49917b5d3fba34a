"""Ablation: the KL loss and the regularisation of derivatives, as everywhere. 2400 steps on the
varied worlds, no LiDAR losses.

COMMAND   tools/train.py configs/detection/synthetic/ablation/kl_regularized.py    (the worlds:
epropnp_r18_varied.py) HARDWARE  1 CPU core, 25 minutes
RESULT    with the recipe of commit d7dc7a0: NDS 0.2879, mAP 0.1709, mAOE 0.700 on the two held-out
    scenes (docs/experiments/results.md)
"""

_base_ = ["../epropnp_r18_varied.py"]
model = dict(
    bbox_head=dict(auxiliary=None, losses=dict(projection=None, coordinate=None, depth=None))
)
runner = dict(max_iters=2400)
