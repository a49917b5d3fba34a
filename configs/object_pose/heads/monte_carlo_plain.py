"""Comparison of the heads: monte_carlo_symmetric.py with coordinates that have the pose of the data
set as their only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   OMP_NUM_THREADS=1 tools/train.py configs/object_pose/heads/monte_carlo_plain.py --seed 0
HARDWARE  1 CPU core
RESULT    ADD(-S) 0.1d 0.134 / 0.135 of symmetric and other objects in held-out images, seed 0
          (docs/experiments/object_pose.md); a third of a core hour
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(symmetric=False))
