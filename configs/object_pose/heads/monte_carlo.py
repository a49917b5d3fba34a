"""Comparison of the heads: the Monte Carlo loss alone, without coordinate maps. It needs no
symmetries.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/heads/monte_carlo.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(coordinate=None, symmetric=False))
