"""Comparison of the heads: the Monte Carlo loss alone, without coordinate maps. It needs no
symmetries.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/monte_carlo.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.102 / 0.057 of symmetric and other objects in held-out images, seed 0
          (docs/experiments/object_pose.md); a third of a core hour
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(coordinate=None, symmetric=False))
