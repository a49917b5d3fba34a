"""Comparison of the pose losses: the integral of the KL loss by Laplace's method in place of Monte
Carlo.

DATA      tools/create_synthetic_bop.py data/synthetic_bop
COMMAND   tools/train.py configs/object_pose/ablation/laplace.py
HARDWARE  2 CPU cores: one trains, one renders
RESULT    not trained yet
"""

_base_ = ["./monte_carlo.py"]
model = dict(
    losses=dict(pose=dict(_delete_=True, type="LaplacePoseLoss", loss_weight=0.2, momentum=0.01))
)
