"""Symmetric objects: symmetric.py without coordinate maps. The Monte Carlo loss alone needs no
symmetries.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py
              configs/object_pose/ablation/symmetric_no_coordinates.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.161 on held-out renderings
          (docs/experiments/object_pose.md)
"""

_base_ = ["./symmetric.py"]
model = dict(losses=dict(coordinate=None, symmetric=False))
