"""Ablation of the pose losses: weights without the denominator of the Softmax. 2400 steps.

COMMAND   tools/train.py configs/detection/synthetic/ablation/no_denominator.py
          (data and backbone: kl_regularized.py)
HARDWARE  1 CPU core, 33 minutes
RESULT    NDS 0.2726, mAP 0.1596, mAOE 0.799 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = ["./kl_regularized.py"]
model = dict(bbox_head=dict(objects=dict(normalized_weights=False)))
