"""EPro-PnP on the synthetic dataset: 2.3 M parameters from scratch, half resolution, for a CPU.

COMMAND   tools/train.py configs/detection/synthetic/epropnp_r18_synthetic.py
HARDWARE  1 CPU core, 81 minutes
RESULT    NDS 0.2285, mAP 0.1449, mAOE 1.090 on the two held-out scenes
          (docs/experiments/results.md)
"""

_base_ = [
    "../../_base_/models/epropnp_small.py",
    "../../_base_/datasets/half_size.py",
    "../../_base_/default_runtime.py",
    "../../_base_/schedules/synthetic.py",
]
optimizer = dict(lr=5e-4)
