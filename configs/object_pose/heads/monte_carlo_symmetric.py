"""Comparison of the heads: the Monte Carlo loss and coordinates of the nearest symmetric pose. The
other rows of Monte Carlo change this file.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/heads/monte_carlo_symmetric.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = [
    "../_base_/models/lite0.py",
    "../_base_/datasets/stored_crops.py",
    "../_base_/schedules/adamw_steps.py",
    "../_base_/default_runtime.py",
]
data = dict(
    train=dict(patch={{_base_.patch}}),
    val=dict(patch={{_base_.patch}}),
    test=dict(patch={{_base_.patch}}),
)
runner = dict(max_iters=8000)
