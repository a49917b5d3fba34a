"""Comparison of the heads: monte_carlo_symmetric.py with coordinates that have the pose of the data
set as their only target.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/heads/monte_carlo_plain.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo_symmetric.py"]
model = dict(losses=dict(symmetric=False))
