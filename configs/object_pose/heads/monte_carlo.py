"""Comparison of the heads: the Monte Carlo loss alone, without coordinate maps. It needs no
symmetries.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/monte_carlo.py --seed 0
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(coordinate=None, symmetric=False))
