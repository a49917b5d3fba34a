"""Comparison of the heads: monte_carlo_symmetric.py with coordinates that have the pose of the data
set as their only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/monte_carlo_plain.py --seed 0
HARDWARE  1 CPU core
RESULT    not trained yet
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(symmetric=False))
